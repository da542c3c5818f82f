"""What happens to a task or a request that meets a stop half way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import cancel_task, submit_task
from hypern.clock import ManualClock
from hypern.errors import EngineStopped


async def coroutine() -> str:
    return "done"


def plain() -> str:
    return "done"


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
