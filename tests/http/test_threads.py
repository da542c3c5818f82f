"""The threads of plain handlers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hypern.http.threads import HandlerThreads


def test_values_and_errors_come_back() -> None:
    """A future has what the function returned or raised."""

    async def main() -> None:
        threads = HandlerThreads(2)
        assert await threads.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 7, 0)
        threads.stop()

    asyncio.run(main())


def test_stop_iteration_comes_back_as_another_error() -> None:
    """A future cannot carry StopIteration, and a waiter must not wait for ever."""

    async def main() -> None:
        threads = HandlerThreads(1)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(next, iter(()))
        threads.stop()

    asyncio.run(main())


def test_a_held_up_thread_does_not_hold_up_the_others() -> None:
    """Work that comes while some threads wait is done by the rest."""

    async def main() -> None:
        threads = HandlerThreads(4)
        gate = threading.Event()
        held = [threads.run(gate.wait, 20) for _ in range(3)]
        assert await asyncio.gather(*(threads.run(abs, -n) for n in range(100))) == list(range(100))
        gate.set()
        assert await asyncio.gather(*held) == [True] * 3
        threads.stop()

    asyncio.run(main())


def test_no_more_threads_than_allowed() -> None:
    """The limit holds, and what comes above it waits its turn."""
    running = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        with lock:
            running -= 1

    async def main() -> None:
        threads = HandlerThreads(3)
        await asyncio.gather(*(threads.run(work) for _ in range(50)))
        threads.stop()

    asyncio.run(main())
    assert 1 <= most <= 3


def test_what_was_given_up_on_before_it_began_is_not_done() -> None:
    """A cancelled call that still waits for a thread never runs."""
    calls: list[int] = []

    async def main() -> None:
        threads = HandlerThreads(1)
        gate = threading.Event()
        first = threads.run(gate.wait, 20)
        second = threads.run(calls.append, 1)
        second.cancel()
        gate.set()
        await first
        await threads.run(abs, 1)
        threads.stop()

    asyncio.run(main())
    assert calls == []


def test_one_pool_serves_one_loop_after_another() -> None:
    """Test clients make a new loop for each request."""
    threads = HandlerThreads(1)

    async def main(value: int) -> Any:
        return await threads.run(abs, value)

    assert [asyncio.run(main(value)) for value in (-1, -2, -3)] == [1, 2, 3]
    threads.stop()


def test_a_result_for_a_closed_loop_is_dropped() -> None:
    """A thread that outlives the loop does not fail, and takes work of the next loop."""
    threads = HandlerThreads(1)
    gate = threading.Event()

    async def leave() -> None:
        threads.run(gate.wait, 20)

    async def use() -> Any:
        return await threads.run(abs, -1)

    asyncio.run(leave())
    gate.set()
    assert asyncio.run(use()) == 1
    threads.stop()
