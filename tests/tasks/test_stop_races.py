"""What happens to a task or a request that meets a stop half way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.running import until
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import TaskStatus, cancel_task, submit_task
from hypern.clock import ManualClock
from hypern.errors import EngineStopped
from hypern.events import Event
from hypern.records import Lane, TaskRecord
from hypern.tasks.engine import Engine
from hypern.tasks.worker import Work


async def coroutine() -> str:
    return "done"


def plain() -> str:
    return "done"


begun, go_on = threading.Event(), threading.Event()


def waits() -> None:
    begun.set()
    assert go_on.wait(WAIT)


def first(stop: Callable[[], object], then: Callable[..., object]) -> Callable[..., object]:
    """`then`, with a stop coming before its first call."""
    stops = [stop]

    def call(*args: Any) -> object:
        while stops:
            stops.pop()()
        return then(*args)

    return call


@pytest.mark.parametrize("task", [plain, coroutine])
def test_a_stop_between_keeping_and_waking(
    engine: Helped, monkeypatch: pytest.MonkeyPatch, task: Callable[[], object]
) -> None:
    """A task that was kept, and whose workers were stopped before they heard of it, is run nevertheless,
    without waiting for another one to come."""
    engine.start()
    lane: Any = engine._threads if task is plain else engine._loop
    monkeypatch.setattr(lane, "notify", first(engine.stop, lane.notify))
    assert engine.one(submit_task(task)).result == "done"


def test_a_stop_between_finding_and_asking(
    engine: Helped, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to a running task whose event loop has ended meanwhile is a request all the same."""
    task_id = submit_task(gate.hold)
    gate.wait_entered()

    def stop() -> None:
        engine.stop(grace=0.0)

    lane: Any = engine._loop
    monkeypatch.setattr(lane, "interrupt", first(stop, lane.interrupt))
    assert cancel_task(task_id) is True
    assert engine.now(task_id).cancel_requested
    gate.open()
    engine.one(task_id)


@pytest.mark.parametrize("task", [plain, coroutine])
def test_the_last_stop_between_keeping_and_waking(
    engine: Helped, monkeypatch: pytest.MonkeyPatch, task: Callable[[], object]
) -> None:
    """Where the process ends before a new task has reached anybody, its submitter is told so."""
    engine.start()
    lane: Any = engine._threads if task is plain else engine._loop
    # Paused, the stop does not wait for what it finds, as if the task had come after it had looked.
    engine.pause()
    monkeypatch.setattr(lane, "notify", first(lambda: engine.stop(final=True), lane.notify))
    with pytest.raises(EngineStopped):
        submit_task(task)
    with pytest.raises(EngineStopped):
        submit_task(task)


@pytest.mark.parametrize("task", [plain, coroutine])
def test_a_swallowed_wake_up_is_made_good(
    use: Callable[..., Helped], monkeypatch: pytest.MonkeyPatch, task: Callable[[], object]
) -> None:
    """A task whose worker was not woken, for a signal came in between, does not wait for another task to
    come: the engine looks every other second."""
    clock = ManualClock()
    engine = use(clock)
    engine.one(submit_task(task))
    lane: Any = engine._threads if task is plain else engine._loop

    def interrupted() -> None:
        if task is plain:
            deadline = time.monotonic() + WAIT
            while not lane._crew._beds:  # until the worker sleeps it would still find the task
                assert time.monotonic() < deadline
                time.sleep(0)
            lane._crew._seeking = True
        else:
            lane._pumping = True
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lane, "notify", interrupted)
        with pytest.raises(KeyboardInterrupt):
            submit_task(task, task_id="swallowed")
    submit_task(task, task_id="next")
    clock.advance(2.0)
    engine.done("swallowed", "next")


def test_a_listener_that_submits_while_a_stop_waits_for_it(
    use: Callable[..., Helped], tmp_path: Path
) -> None:
    """Who is told of an ending, and submits when nothing is started any more, waits for no stop that waits
    for him; his task is run afterwards."""
    engine = use(task_store=f"sqlite:///{tmp_path}/tasks.db?synchronous=normal")
    told = threading.Event()
    submitted: list[str] = []

    def follow(event: Event) -> None:
        if event.name == "finished" and not told.is_set():
            told.set()
            until(lambda: not engine.is_started)
            submitted.append(submit_task(plain))

    engine.events.listen(follow)
    submit_task(plain)
    assert told.wait(WAIT)
    engine.stop()
    assert engine.one(until(lambda: submitted)[0]).result == "done"


def test_a_worker_that_looks_late_begins_nothing(
    use: Callable[..., Helped], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that looks for its next task when a stop has waited for what ran leaves it to others."""
    claim, end_workers = Work.claim, Engine._end_workers
    stopping, has_looked = threading.Event(), threading.Event()

    def late(work: Work, lane: Lane) -> TaskRecord | None:
        if lane is Lane.LOOP or not begun.is_set():
            return claim(work, lane)
        assert stopping.wait(WAIT)
        found = claim(work, lane)
        has_looked.set()
        return found

    def ending(engine: Engine) -> set[Lane]:
        stopping.set()
        assert has_looked.wait(WAIT)
        return end_workers(engine)

    monkeypatch.setattr(Work, "claim", late)
    monkeypatch.setattr(Engine, "_end_workers", ending)
    engine = use(task_store=f"sqlite:///{tmp_path}/tasks.db?synchronous=normal", task_workers=1)
    for event in (begun, go_on):
        event.clear()
    submit_task(waits)
    assert begun.wait(WAIT)
    left = submit_task(plain)
    go_on.set()
    engine.stop()
    assert engine.now(left).status is TaskStatus.PENDING
