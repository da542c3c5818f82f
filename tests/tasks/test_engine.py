"""The engine as a whole: start and stop, retention, events, several of them, and the default one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.journeys.running import until
from tests.tasks.conftest import WAIT, Gate, Heard, Helped

from hypern import Hypern, TaskStatus, background, cancel_task, get_task, submit_task
from hypern.clock import ManualClock
from hypern.config import Settings
from hypern.errors import QueueFull
from hypern.tasks import runtime
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.runtime import current_engine, use_engine


@background
def double(value: int) -> int:
    return value * 2


def fails() -> None:
    raise ValueError("no luck")


def engine_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("hypern-task-")}


# -- start and stop ---------------------------------------------------------------------------------


def test_nothing_runs_before_the_first_task(make_engine: Callable[..., Helped]) -> None:
    """Making an engine starts no thread."""
    before = threading.active_count()
    make_engine()
    assert threading.active_count() == before


def test_no_more_threads_than_workers(use: Any, gate: Gate) -> None:
    """`task_workers` plain functions run at once, and not one more."""
    engine = use(task_workers=3)
    ids = [submit_task(gate.hold) for _ in range(10)]
    gate.wait_entered(3)
    assert engine.store.count()[TaskStatus.RUNNING] == 3
    assert not gate.entered.acquire(timeout=0.1)
    gate.open()
    assert all(result.is_success() for result in engine.done(*ids))


def test_stopping_finishes_what_is_due(engine: Helped) -> None:
    """`stop` returns when what was due has ended, and its workers with it."""
    ids = [submit_task(time.sleep, (0.01,)) for _ in range(20)]
    assert engine.stop(grace=WAIT) == []
    assert all(engine.now(task_id).is_success() for task_id in ids)


def test_stopping_ends_the_threads(engine: Helped) -> None:
    """After a stop none of the engine's threads is left."""
    before = engine_threads()
    engine.one(double(1))
    assert engine_threads() - before
    engine.stop()
    until(lambda: not engine_threads() - before)


def test_stopping_twice_or_unstarted(make_engine: Callable[..., Helped]) -> None:
    """Stopping an engine that does not run is nothing."""
    engine = make_engine()
    assert engine.stop() == []
    engine.start()
    engine.start()
    assert engine.stop() == []
    assert engine.stop() == []


def test_a_stopped_engine_starts_again(engine: Helped) -> None:
    """The next task starts it; earlier results can still be looked up."""
    first = double(1)
    engine.stop(grace=WAIT)
    second = double(2)
    assert [result.result for result in engine.done(first, second)] == [2, 4]


def test_what_a_stop_left_runs_after_the_next_start(engine: Helped) -> None:
    """A task that had no turn before the stop stays PENDING and gets it later."""
    engine.start()
    engine.pause()
    task_id = double(5)
    assert [record.id for record in engine.stop(grace=0.0)] == [task_id]
    engine.resume()
    engine.start()
    assert engine.one(task_id).result == 10


def test_a_stop_waits_for_no_longer_than_its_grace(engine: Helped, gate: Gate) -> None:
    """A task that does not end is left behind and named."""
    task_id = submit_task(gate.hold)
    gate.wait_entered()
    started = time.monotonic()
    assert [record.id for record in engine.stop(grace=0.2)] == [task_id]
    assert 0.2 <= time.monotonic() - started < WAIT / 2
    gate.open()
    assert engine.one(task_id).result == "held"


def test_hurry_ends_the_grace(engine: Helped, gate: Gate) -> None:
    """`hurry`, from another thread, ends a stop that waits."""
    submit_task(gate.hold)
    gate.wait_entered()
    started = time.monotonic()
    threading.Timer(0.2, engine.hurry).start()
    assert len(engine.stop(grace=WAIT)) == 1
    assert time.monotonic() - started < WAIT / 2


@pytest.mark.parametrize("lane", ["plain", "coroutine"])
def test_a_stop_does_not_wait_for_cancelled_ones(use: Any, gate: Gate, lane: str) -> None:
    """Cancelled tasks that still stand in their queue are nothing that a stop waits for."""
    engine = use(task_workers=1, task_async_limit=1)

    async def holds() -> str:
        return gate.hold()

    async def nothing() -> None:
        pass

    submit_task(holds if lane == "coroutine" else gate.hold)
    gate.wait_entered()
    for _ in range(50):
        cancel_task(submit_task(nothing if lane == "coroutine" else int))
        cancel_task(submit_task(int, delay_seconds=0.01))
    threading.Timer(0.1, gate.open).start()
    started = time.monotonic()
    assert engine.stop(grace=WAIT) == []
    assert time.monotonic() - started < WAIT / 2


def test_a_huge_rest_is_named_in_short(use: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of thousands of unfinished tasks the log names some one by one and counts the others."""
    engine = use(task_queue_size=5000)
    for number in range(3000):
        submit_task(fails, delay_seconds=3600 + number)
    assert len(engine.stop()) == 3000
    assert "3000 background tasks" in caplog.text
    assert "2500 more of" in caplog.text


def test_submitting_while_it_stops_and_starts(engine: Helped) -> None:
    """Threads that submit while the engine is stopped and started lose no task and see no error."""
    enough = threading.Event()
    ids: list[str] = []
    raised: list[BaseException] = []

    async def nothing() -> None:
        pass

    def submits() -> None:
        while not enough.is_set():
            try:
                ids.append(submit_task(int))
                ids.append(submit_task(nothing))
            except QueueFull:
                enough.wait(0.001)
            except BaseException as error:
                raised.append(error)
                return

    threads = [threading.Thread(target=submits) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        engine.stop(grace=0.01)
    enough.set()
    for thread in threads:
        thread.join()
    engine.start()
    engine.settle()
    assert raised == []
    assert engine.store.count()[TaskStatus.RUNNING] == 0
    assert engine.store.count()[TaskStatus.PENDING] == 0


# -- retention --------------------------------------------------------------------------------------


def test_results_are_kept_by_number(use: Any) -> None:
    """No more than `task_result_limit` ended tasks can be looked up, the latest."""
    engine = use(task_workers=1, task_result_limit=5)
    ids = [double(number) for number in range(20)]
    engine.settle()
    assert [look_up(engine, task_id) is not None for task_id in ids] == [False] * 15 + [True] * 5


def test_results_are_kept_by_age(use: Any) -> None:
    """After `task_result_ttl` a result is gone, without anybody asking for it."""
    clock = ManualClock()
    engine = use(clock, task_result_ttl=60.0)
    task_id = double(1)
    waiting = submit_task(int, delay_seconds=1e6)
    engine.one(task_id)
    clock.advance(59)
    assert get_task(task_id) is not None
    clock.advance(1)
    deadline = time.monotonic() + WAIT
    while engine.store.count()[TaskStatus.COMPLETED]:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert get_task(task_id) is None
    assert cancel_task(task_id) is False
    assert get_task(waiting) is not None


# -- events -----------------------------------------------------------------------------------------


def test_a_listener_hears_each_step(use: Any, gate: Gate) -> None:
    """submitted, started, finished or cancelled; no more once it has been ended."""
    engine = use(task_workers=1)
    heard = Heard()
    unlisten = engine.events.listen(heard)
    first = submit_task(gate.hold)
    gate.wait_entered()
    second = double(1)
    cancel_task(second)
    gate.open()
    engine.one(first)
    engine.one(double(2))
    unlisten()
    silent = double(3)
    engine.one(silent)
    assert heard.names(first) == ["submitted", "started", "finished"]
    assert heard.names(second) == ["submitted", "cancelled"]
    assert heard.names(silent) == []


def test_a_listener_that_raises(engine: Helped, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; tasks and other listeners go on."""
    heard = Heard()

    def broken(event: Any) -> None:
        raise ValueError("broken listener")

    engine.events.listen(broken)
    engine.events.listen(heard)
    task_id = double(4)
    assert engine.one(task_id).result == 8
    assert "started" in heard.names(task_id)
    assert "broken listener" in caplog.text


# -- which engine -----------------------------------------------------------------------------------


def test_engines_are_apart(make_engine: Callable[..., Helped]) -> None:
    """An app's engine knows nothing of another's tasks; the global functions ask the latest."""
    before = use_engine(None)
    first, second = Hypern(), Hypern()
    try:
        one, two = first.submit_task(double, (1,)), second.submit_task(double, (2,))
        assert first.engine.wait_until(lambda: first.get_task(one).is_done(), WAIT)  # type: ignore[union-attr]
        assert second.engine.wait_until(lambda: second.get_task(two).is_done(), WAIT)  # type: ignore[union-attr]
        assert first.get_task(two) is None
        assert first.cancel_task(two) is False
        assert get_task(two) is not None
        assert get_task(one) is None
        assert current_engine() is second.engine

        @first.background
        def bound() -> None:
            pass

        assert first.get_task(bound()) is not None
    finally:
        first.engine.discard()
        second.engine.discard()
        use_engine(before)


def test_a_default_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an app the global functions make one engine; its ids are found also after an app was made."""
    before = use_engine(None)
    monkeypatch.setattr(runtime, "_default", None)
    try:
        task_id = double(21)
        default = current_engine()
        assert default.wait_until(lambda: get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]
        delayed = submit_task(double, (1,), delay_seconds=1e6)
        app = Hypern()
        assert current_engine() is app.engine
        result = get_task(task_id)
        assert result is not None
        assert result.result == 42
        assert cancel_task(delayed) is True
        default.discard()
        app.engine.discard()
    finally:
        use_engine(before)


def test_threads_make_one_default_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads that need the default engine first get the same one."""
    before = use_engine(None)
    monkeypatch.setattr(runtime, "_default", None)
    start = threading.Barrier(8)
    got: list[Engine] = []

    def ask() -> None:
        start.wait(WAIT)
        got.append(current_engine())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use_engine(before)
    assert len(got) == 8
    assert len(set(map(id, got))) == 1


def test_waiting_gives_up(make_engine: Callable[..., Helped]) -> None:
    """`wait_until` says False when its time is over, and looks at once."""
    engine = make_engine()
    assert engine.wait_until(lambda: True, 0) is True
    assert engine.wait_until(lambda: False, 0.05) is False


def test_settings_of_an_engine() -> None:
    """An engine with no settings given keeps a thousand waiting tasks and four threads."""
    assert (Settings().task_queue_size, Settings().task_workers) == (1000, 4)
