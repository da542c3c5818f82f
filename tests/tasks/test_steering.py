"""Repeating, forgetting and hastening tasks, one by one and all that are meant."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Heard, Helped

from hypern import (
    Cancel,
    InvalidOption,
    QueueFull,
    TaskStatus,
    cancel_task,
    cancel_tasks,
    count_tasks,
    current_task,
    delete_task,
    delete_tasks,
    explain,
    get_task,
    retry_task,
    retry_tasks,
    run_task_now,
    submit_task,
    wait_for_task,
    wait_for_task_async,
)

runs: list[str] = []
entered = threading.Semaphore(0)


def succeed_later(name: str) -> str:
    """Fails the first time."""
    runs.append(name)
    if runs.count(name) == 1:
        raise ValueError("not yet")
    return name


def nothing() -> None: ...


@pytest.fixture(params=["memory", "sqlite"])
def used(request: pytest.FixtureRequest, use: Callable[..., Helped], tmp_path: Path) -> Helped:
    """An engine on each kind of store."""
    runs.clear()
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"
    return use(task_store=url)


def test_retry(used: Helped) -> None:
    """A failed task runs again under a new id, with its arguments; the failed one stays as it was."""
    heard = Heard()
    used.events.listen(heard)
    failed = used.one(submit_task(succeed_later, ("a",), queue="mail"))
    made = retry_task(failed.task_id)
    assert made is not None
    again = used.one(made)
    assert (again.result, again.queue, again.origin) == ("a", "mail", failed.task_id)
    assert used.now(failed.task_id) == failed
    assert heard.names(made)[0] == "submitted"


def test_retry_starts_the_engine(used: Helped) -> None:
    """Where nothing runs any more, a retry starts the workers, as submitting does."""
    failed = used.one(submit_task(succeed_later, ("a",)))
    used.stop(1.0)
    made = retry_task(failed.task_id)
    assert made is not None
    assert used.one(made).status is TaskStatus.COMPLETED


def test_retry_of_what_has_not_ended(used: Helped) -> None:
    """None for a waiting task, an unknown id and for what is no id."""
    waiting = submit_task(nothing, delay_seconds=60)
    assert [retry_task(task_id) for task_id in (waiting, "unknown")] == [None, None]
    for wrong in (None, 3, ["x"]):
        assert retry_task(wrong) is None  # type: ignore[arg-type]
        assert not delete_task(wrong)  # type: ignore[arg-type]
        assert not run_task_now(wrong)  # type: ignore[arg-type]


def test_delete(used: Helped) -> None:
    """An ended task is forgotten; a waiting one is not."""
    ended = used.one(submit_task(nothing)).task_id
    waiting = submit_task(nothing, delay_seconds=60)
    assert [delete_task(ended), delete_task(ended), delete_task(waiting)] == [True, False, False]
    assert used.look(ended) is None
    assert used.look(waiting) is not None


def test_run_now(used: Helped) -> None:
    """A delayed task runs at once; one that is not delayed is left alone."""
    delayed = submit_task(nothing, delay_seconds=3600)
    assert run_task_now(delayed)
    assert used.one(delayed).status is TaskStatus.COMPLETED
    assert not run_task_now(delayed)


@pytest.mark.parametrize("task_id", ["nobody", "", "half \ud800", "nul \0", "x" * 10_000, None, 7])
def test_what_no_task_has_as_its_id(used: Helped, task_id: Any) -> None:
    """An id that nobody was given, also one that no store could be asked for, names no task."""
    answers = [steer(task_id) for steer in (get_task, retry_task, delete_task, run_task_now, cancel_task)]
    assert answers == [None, None, False, False, False]
    assert wait_for_task(task_id, timeout=WAIT) is None
    assert asyncio.run(wait_for_task_async(task_id, timeout=WAIT)) is None
    assert "No task with the id" in explain(task_id)


def test_retry_all(used: Helped) -> None:
    """All failed ones that are meant, each once, and none of those that this makes."""
    failed = [submit_task(succeed_later, (f"{number}",), queue="mail") for number in range(7)]
    used.done(*failed, submit_task(succeed_later, ("other",)), submit_task(nothing, queue="mail"))
    assert count_tasks(status="failed", queue="mail").number == 7
    assert retry_tasks(queue="mail") == 7
    used.settle()
    assert sorted(runs) == sorted([*"0123456" * 2, "other"])
    assert retry_tasks(status=["completed"], queue="mail", search="nothing") == 1


def stand_still() -> str:
    """Runs until it is asked to stop."""
    entered.release()
    while not current_task().cancel_requested:
        time.sleep(0.005)
    raise Cancel("asked to")


def test_cancel_all(used: Helped) -> None:
    """What waits is cancelled, what runs is asked to stop; what has ended stays as it is."""
    ended = used.one(submit_task(nothing)).task_id
    running = submit_task(stand_still)
    assert entered.acquire(timeout=WAIT)
    waiting = [submit_task(nothing, delay_seconds=60) for _ in range(3)]
    assert cancel_tasks() == 4
    assert {task.status for task in used.done(*waiting, running)} == {TaskStatus.CANCELLED}
    assert used.now(ended).status is TaskStatus.COMPLETED


def test_delete_all(used: Helped) -> None:
    """All ended ones that are meant, in however many pages."""
    for _ in range(3):
        used.done(*[submit_task(nothing) for _ in range(400)])
    waiting = submit_task(nothing, delay_seconds=60)
    assert delete_tasks(status="failed") == 0
    assert delete_tasks() == 1200
    assert [count_tasks().number, used.now(waiting).status] == [1, TaskStatus.PENDING]


@pytest.mark.parametrize(
    ("verb", "status"),
    [(retry_tasks, "pending"), (delete_tasks, "running"), (cancel_tasks, "completed"), (cancel_tasks, "?")],
)
def test_what_cannot_be_meant(used: Helped, verb: Callable[..., int], status: Any) -> None:
    """A state in which that can be done to no task is refused."""
    with pytest.raises(InvalidOption):
        verb(status=status)


def test_retry_into_a_full_queue(use: Callable[..., Helped]) -> None:
    """QueueFull, and nothing is submitted."""
    engine = use(task_queue_size=1)
    ended = engine.one(submit_task(nothing)).task_id
    submit_task(nothing, delay_seconds=60)
    with pytest.raises(QueueFull):
        retry_task(ended)
    assert count_tasks().number == 2
