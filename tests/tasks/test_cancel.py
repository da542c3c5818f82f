"""Cancelling plain tasks: waiting, delayed, running, ended, unknown; in a storm of threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import TaskStatus, cancel_task, current_task, submit_task


def looks() -> str:
    """Runs until it is asked to stop."""
    task = current_task()
    pause = threading.Event()
    for _ in range(int(WAIT / 0.005)):
        if task.cancel_requested:
            return "stopped"
        pause.wait(0.005)
    return "never asked"


@pytest.mark.parametrize("delay", [0, 3600])
def test_a_waiting_task_never_runs(use: Any, gate: Gate, delay: float) -> None:
    """A waiting or delayed task is CANCELLED at once, with a time, and its function is never called."""
    engine = use(task_workers=1)
    ran: list[int] = []
    submit_task(gate.hold)
    gate.wait_entered()
    task_id = submit_task(ran.append, (1,), delay_seconds=delay)
    assert cancel_task(task_id) is True
    result = engine.now(task_id)
    assert result.is_cancelled()
    assert result.is_done()
    assert (result.attempt, result.started_at, result.error) == (0, None, None)
    assert result.finished_at is not None
    gate.open()
    engine.settle()
    engine.one(submit_task(int))
    assert ran == []
    assert cancel_task(task_id) is False


def test_a_running_function_may_look(engine: Helped) -> None:
    """A running plain function sees the request; what it returns is its outcome."""
    begun = threading.Event()
    engine.events.listen(lambda event: event.name == "started" and begun.set())
    task_id = submit_task(looks)
    assert begun.wait(WAIT)
    assert cancel_task(task_id) is True
    result = engine.one(task_id)
    assert (result.status, result.result, result.cancel_requested) == (TaskStatus.COMPLETED, "stopped", True)


def test_asking_twice(engine: Helped, gate: Gate) -> None:
    """A running task can be asked again; the answer stays True until it has ended."""
    task_id = submit_task(gate.hold)
    gate.wait_entered()
    assert cancel_task(task_id) is True
    assert cancel_task(task_id) is True
    assert engine.now(task_id).is_running()
    gate.open()
    engine.one(task_id)
    assert cancel_task(task_id) is False


@pytest.mark.parametrize("func", [int, lambda: 1 / 0])
def test_an_ended_task_stays_as_it_is(engine: Helped, func: Any) -> None:
    """Cancelling after the end is False and changes nothing."""
    task_id = submit_task(func)
    before = engine.one(task_id)
    assert cancel_task(task_id) is False
    assert engine.now(task_id) == before


@pytest.mark.parametrize("unknown", ["nobody", "", None, 7, b"x"])
def test_unknown_tasks(engine: Helped, unknown: Any) -> None:
    """Cancelling what is no id of a kept task is False."""
    assert cancel_task(unknown) is False


def test_cancelling_makes_room(use: Any, gate: Gate) -> None:
    """Each cancelled waiting task makes room for exactly one other."""
    engine = use(task_workers=1, task_queue_size=3)
    submit_task(gate.hold)
    gate.wait_entered()
    for _ in range(50):
        ids = [submit_task(int) for _ in range(3)]
        assert all(cancel_task(task_id) for task_id in ids)
    gate.open()
    engine.settle()
    assert engine.store.count()[TaskStatus.CANCELLED] == 150


def test_a_storm_of_cancels(use: Any) -> None:
    """Threads that cancel what others submit: True before it began means that it never runs."""
    engine = use(task_workers=4, task_queue_size=5000)
    ran: set[int] = set()
    cancelled: dict[int, str] = {}
    submitted: list[tuple[int, str]] = []

    def submits(base: int) -> None:
        for number in range(base, base + 500):
            submitted.append((number, submit_task(ran.add, (number,))))

    def cancels() -> None:
        for place in range(1500):
            if place < len(submitted):
                number, task_id = submitted[place]
                if cancel_task(task_id):
                    cancelled[number] = task_id

    threads = [threading.Thread(target=submits, args=(base,)) for base in (0, 1000, 2000)]
    threads += [threading.Thread(target=cancels) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = {number: engine.one(task_id) for number, task_id in submitted}
    for number, result in results.items():
        assert result.is_cancelled() == (number not in ran)
        assert result.is_success() or number in cancelled
