"""Answers from another thread reach the coroutines that await them, with few wakes of their loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from hypern.tasks.answers import Answers, answers_for

WAIT = 20.0


def told_from_a_thread(answers: Answers, *told: tuple[Any, str | None, BaseException | None]) -> None:
    """Tell all of these in another thread; its end is waited for."""
    thread = threading.Thread(target=lambda: [answers.tell(*one) for one in told])
    thread.start()
    thread.join()


def test_each_gets_its_own() -> None:
    """An answer, nothing, or an error: whoever awaits it gets that."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[str | None]] = [loop.create_future() for _ in range(3)]
        error = ValueError("no")
        told_from_a_thread(
            answers_for(loop),
            (futures[0], "other", None),
            (futures[1], None, None),
            (futures[2], None, error),
        )
        assert await asyncio.gather(*futures, return_exceptions=True) == ["other", None, error]

    asyncio.run(main())


def test_one_wake_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told while the loop is busy wakes it once, and again after it has looked."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        answers = answers_for(loop)
        wakes = []
        wake = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *call: (wakes.append(call), wake(*call)))
        for turn in range(1, 4):
            futures: list[asyncio.Future[str | None]] = [loop.create_future() for _ in range(100)]
            told_from_a_thread(answers, *((future, None, None) for future in futures))
            await asyncio.wait_for(asyncio.gather(*futures), WAIT)
            assert len(wakes) == turn

    asyncio.run(main())


def test_who_awaits_no_more_is_passed_over() -> None:
    """A cancelled one harms nobody else."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        given_up: asyncio.Future[str | None] = loop.create_future()
        waiting: asyncio.Future[str | None] = loop.create_future()
        given_up.cancel()
        told_from_a_thread(answers_for(loop), (given_up, "one", None), (waiting, "two", None))
        assert await waiting == "two"

    asyncio.run(main())


def test_a_closed_loop() -> None:
    """What is told too late is dropped without a word, and another loop of the thread has its own."""
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    answers = answers_for(first)
    late: asyncio.Future[str | None] = first.create_future()
    first.close()
    told_from_a_thread(answers, (late, "late", None))
    assert not late.done()
    assert answers_for(second) is not answers
    second.close()


def test_a_signal_in_between() -> None:
    """If a signal handler raises while answers are handed out, the rest is handed out in the next turn."""

    class Interrupts(asyncio.Future[str | None]):
        def set_result(self, value: str | None, /) -> None:
            raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    answers = answers_for(loop)
    waiting: asyncio.Future[str | None] = loop.create_future()
    told_from_a_thread(answers, (Interrupts(loop=loop), None, None), (waiting, "here", None))
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(waiting)
    assert loop.run_until_complete(asyncio.wait_for(waiting, WAIT)) == "here"
    loop.close()
