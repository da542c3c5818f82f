"""An attempt ends at its timeout, whatever its function does, and gives its place to others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Heard, Helped

from hypern import TaskStatus, background, current_task, submit_task
from hypern.clock import ManualClock
from hypern.tasks import deadlines
from hypern.threads import Crew

ERROR = "TimeoutError: the attempt took longer than its timeout of 5 s"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def small(use: Callable[..., Helped], clock: ManualClock) -> Helped:
    """An engine with one place in each lane, on a clock that stands still."""
    return use(clock, task_workers=1, task_async_limit=1)


def size_of_crew(engine: Helped) -> int:
    return engine._threads._crew._size


def test_a_function_that_does_not_end(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """The task has FAILED at its timeout though its function goes on, and the next one runs at once."""
    task_id = submit_task(gate.hold, timeout=5)
    gate.wait_entered()
    clock.advance(4.9)
    assert small.now(task_id).is_running()
    waiting = submit_task(int)
    clock.advance(0.2)
    result = small.one(task_id)
    assert (result.status, result.error, result.attempt) == (TaskStatus.FAILED, ERROR, 1)
    assert [(past.number, past.error) for past in result.attempts] == [(1, ERROR)]
    assert small.one(waiting).result == 0
    assert small.one(submit_task(int, ("7",))).result == 7


def test_a_late_result_is_refused(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """What the function returns after its timeout changes nothing; its thread ends then."""
    threads: list[threading.Thread] = []

    def hold() -> str:
        threads.append(threading.current_thread())
        return gate.hold()

    task_id = submit_task(hold, timeout=5)
    gate.wait_entered()
    clock.advance(5)
    before = small.one(task_id)
    small.one(submit_task(int))
    assert size_of_crew(small) == 2
    gate.open()
    threads[0].join(WAIT)
    assert not threads[0].is_alive()
    assert small.now(task_id) == before
    assert size_of_crew(small) == 1


def test_progress_after_the_timeout(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """What the function says of its progress after its timeout is not written down."""
    said = threading.Event()

    def hold() -> None:
        gate.hold()
        current_task().progress(0.5)
        said.set()

    task_id = submit_task(hold, timeout=5)
    gate.wait_entered()
    clock.advance(5)
    small.one(task_id)
    gate.open()
    assert said.wait(WAIT)
    assert small.now(task_id).progress is None


def test_many_that_do_not_end(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """One after the other gives its place away; when they end the crew has its size again."""
    ids = []
    for _ in range(10):
        ids.append(submit_task(gate.hold, timeout=5))
        gate.wait_entered()
        clock.advance(5)
    assert {result.error for result in small.done(*ids)} == {ERROR}
    assert small.one(submit_task(int)).result == 0
    given_up = set(small._threads._crew._replaceable)
    assert len(given_up) == 10
    gate.open()
    for thread in given_up:
        thread.join(WAIT)
    assert size_of_crew(small) == 1
    assert small.one(submit_task(int)).result == 0


def test_a_coroutine(small: Helped, clock: ManualClock) -> None:
    """The task has FAILED at its timeout, its coroutine is cancelled, and the next one runs."""
    begun, cancelled = threading.Event(), threading.Event()

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    task_id = submit_task(waits, timeout=5)
    assert begun.wait(WAIT)
    clock.advance(5)
    result = small.one(task_id)
    assert (result.status, result.error) == (TaskStatus.FAILED, ERROR)
    assert cancelled.wait(WAIT)
    assert small.one(submit_task(asyncio.sleep, (0, "next"))).result == "next"


def test_a_coroutine_that_ignores_it(small: Helped, clock: ManualClock) -> None:
    """A coroutine that swallows the cancellation has FAILED on time, too; its late result is refused, and
    with room for one coroutine the next one runs at once."""
    begun, swallowed, returned = threading.Event(), threading.Event(), threading.Event()
    go_on: asyncio.Event

    async def stubborn() -> str:
        nonlocal go_on
        go_on = asyncio.Event()
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            swallowed.set()
        await go_on.wait()
        returned.set()
        return "late"

    async def let_go() -> str:
        go_on.set()
        return "let go"

    task_id = submit_task(stubborn, timeout=5)
    assert begun.wait(WAIT)
    waiting = submit_task(asyncio.sleep, (0, "at once"))
    clock.advance(5)
    before = small.one(task_id)
    assert before.error == ERROR
    assert small.one(waiting).result == "at once"
    assert swallowed.wait(WAIT)
    assert small.one(submit_task(let_go)).result == "let go"
    assert returned.wait(WAIT)
    assert small.one(submit_task(asyncio.sleep, (0, "after"))).result == "after"
    assert small.now(task_id) == before


def test_the_room_on_the_loop_is_used_at_once(
    small: Helped, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the place of a coroutine that ignores its timeout need not wait for the next look."""
    monkeypatch.setattr(small, "_tidy", lambda: clock.steady() + 1e6)
    begun, released = threading.Event(), threading.Event()

    async def stubborn() -> None:
        begun.set()
        while not released.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    task_id = submit_task(stubborn, timeout=5)
    assert begun.wait(WAIT)
    waiting = submit_task(asyncio.sleep, (0, "next"))
    clock.advance(5)
    assert small.one(task_id).error == ERROR
    assert small.one(waiting).result == "next"
    released.set()


@pytest.mark.parametrize("retry_on", [None, TimeoutError, OSError, (KeyError, Exception)])
def test_a_retry_after_a_timeout(small: Helped, clock: ManualClock, gate: Gate, retry_on: Any) -> None:
    """A timeout is a failed attempt: with retries another one follows, while the first one still runs."""
    heard = Heard()
    small.events.listen(heard)

    def hangs_once() -> str:
        return gate.hold() if current_task().attempt == 1 else "second"

    task_id = submit_task(hangs_once, timeout=5, retries=1, backoff=0, retry_on=retry_on)
    gate.wait_entered()
    clock.advance(5)
    result = small.one(task_id)
    assert (result.status, result.result, result.attempt) == (TaskStatus.COMPLETED, "second", 2)
    assert [past.error for past in result.attempts] == [ERROR]
    gate.open()
    small.one(submit_task(int))
    assert small.now(task_id) == result
    assert heard.names(task_id) == ["submitted", "started", "retried", "started", "finished"]


def test_no_retry_after_a_timeout_that_was_not_named(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """retry_on without TimeoutError: a timeout is final."""
    task_id = submit_task(gate.hold, timeout=5, retries=3, backoff=0, retry_on=ValueError)
    gate.wait_entered()
    clock.advance(5)
    result = small.one(task_id)
    assert (result.status, result.attempt) == (TaskStatus.FAILED, 1)


def test_each_attempt_has_its_own_time(small: Helped, clock: ManualClock) -> None:
    """The time of an attempt begins with it: attempts that together take longer are within it."""

    def fails() -> str:
        clock.advance(4)
        if current_task().attempt < 4:
            raise ValueError
        return "in time"

    result = small.one(submit_task(fails, timeout=5, retries=3, backoff=0))
    assert (result.result, result.attempt) == ("in time", 4)


def test_hundreds_at_once(use: Callable[..., Helped], clock: ManualClock) -> None:
    """Hundreds of coroutines whose time is over together all FAIL then, and those with more time do not."""
    engine = use(clock)
    entered = threading.Semaphore(0)

    @background(timeout=5)
    async def waits() -> None:
        entered.release()
        await asyncio.sleep(3600)

    ids = waits.submit_many([() for _ in range(300)])
    longer = waits.with_options(timeout=50)()
    for _ in range(301):
        assert entered.acquire(timeout=WAIT)
    clock.advance(5)
    assert {result.error for result in engine.done(*ids)} == {ERROR}
    assert engine.now(longer).is_running()


@pytest.mark.parametrize("lane", ["thread", "loop"])
def test_a_timeout_as_the_function_returns(small: Helped, clock: ManualClock, lane: str) -> None:
    """When both happen together one of them is the outcome, nothing hangs, and no place is lost or won."""

    def returns_then() -> str:
        clock.advance(5)
        return "in time"

    async def returns_then_too() -> str:
        return returns_then()

    function = returns_then if lane == "thread" else returns_then_too
    outcomes = set()
    for _ in range(150):
        result = small.one(submit_task(function, timeout=5))
        outcomes.add((result.status, result.result, result.error))
    assert outcomes <= {
        (TaskStatus.COMPLETED, "in time", None),
        (TaskStatus.FAILED, None, ERROR),
    }
    assert small.one(submit_task(int)).result == 0
    assert small.one(submit_task(asyncio.sleep, (0, "next"))).result == "next"
    assert small.wait_until(lambda: size_of_crew(small) == 1, WAIT) or lane == "thread"
    assert small._loop._running == {}


def test_giving_up_what_has_ended() -> None:
    """A thread that is at another piece by then is not given up: two would run where one is wanted."""
    pieces: list[Callable[[], object]] = []
    crew: Crew[Callable[[], object]] = Crew(
        "test-crew", 1, lambda: pieces.pop(0) if pieces else None, lambda piece: piece(), lambda: bool(pieces)
    )
    gate, give_up = Gate(), list[Callable[[], None]]()
    pieces += [lambda: give_up.append(crew.replacement()), gate.hold]
    crew.notify()
    gate.wait_entered()
    give_up[0]()
    assert crew._size == 1
    gate.open()
    crew.stop()


def test_deadlines_that_were_met_are_let_go(
    use: Callable[..., Helped], monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    """Of thousands of tasks that ended long before their timeout neither results nor deadlines are kept."""
    monkeypatch.setattr(deadlines, "_SWEEP_AT", 100)
    engine = use(task_workers=2, task_queue_size=3000)
    running = submit_task(gate.hold, timeout=60)
    gate.wait_entered()
    engine.done(*background(timeout=3600)(int).submit_many([() for _ in range(2000)]))
    kept = list(engine._work.deadlines._heap)
    assert len(kept) <= 201
    assert sum(not deadline.is_met for _, _, deadline in kept) == 1
    assert all(deadline._expire is None for _, _, deadline in kept[1:])
    assert engine.now(running).is_running()


def test_no_timeout_no_thread(engine: Helped) -> None:
    """The thread that watches deadlines is started with the first of them, and not before."""

    def watchers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "hypern-deadlines"}

    before = watchers()
    engine.one(submit_task(int))
    assert watchers() == before
    engine.one(submit_task(int, timeout=60))
    assert len(watchers() - before) == 1


def test_a_hung_function_does_not_hold_up_the_end(small: Helped, clock: ManualClock, gate: Gate) -> None:
    """Stopping does not wait for a function whose attempt has ended by its timeout."""
    task_id = submit_task(gate.hold, timeout=5)
    gate.wait_entered()
    clock.advance(5)
    small.one(task_id)
    assert small.idle()
    assert small.stop(grace=WAIT) == []
