"""The tasks of a lane that could start now: their order, whatever happens to their queue."""

from __future__ import annotations

import random
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from hypern.records import TaskRecord, TaskStatus
from hypern.stores.base import AGEING
from hypern.stores.conformance.suite import NOW, make_record
from hypern.stores.ready import ReadyQueue


def rank(record: TaskRecord) -> tuple[float, int]:
    return (record.ready_at - record.spec.priority * AGEING, record.spec.priority)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_the_rank(seed: int) -> None:
    """However pushes and pops alternate, what comes out is the first by rank, among equals by time."""
    draw = random.Random(seed)
    queue, waiting, now = ReadyQueue(), list[TaskRecord](), NOW
    for _ in range(400):
        now += draw.choice([0.0, 0.25, 1.0, 7.0])
        if draw.random() < draw.choice([0.3, 0.7]):
            record = make_record(priority=draw.choice([-10, 0, 0, 1, 5, 10]), wall=now)
            queue.push(record)
            waiting.append(record)
            continue
        expected = min(waiting, key=rank, default=None)
        assert queue.peek() is expected
        assert queue.pop() is expected
        if expected is not None:
            waiting.remove(expected)
        assert bool(queue) is bool(waiting)


@pytest.mark.parametrize("others", [[], [5], [5, -5, 1]])
def test_a_signal_in_the_midst_of_a_push(others: list[int]) -> None:
    """A push that was broken off by a signal handler that raised harms neither those before nor after it."""

    class Broken(deque[TaskRecord]):
        def append(self, record: TaskRecord) -> None:
            raise KeyboardInterrupt

    queue = ReadyQueue()
    for priority in others:
        queue.push(make_record(f"before {priority}", priority=priority))
    queue._lines[0] = Broken()
    with pytest.raises(KeyboardInterrupt):
        queue.push(make_record("lost"))
    queue._lines[0] = deque()
    for number in range(3):
        queue.push(make_record(f"after {number}"))
    came = [record.id for record in iter(queue.pop, None)]
    before = [f"before {priority}" for priority in sorted(others, reverse=True)]
    assert [task_id for task_id in came if task_id.startswith("after")] == ["after 0", "after 1", "after 2"]
    assert [task_id for task_id in came if task_id.startswith("before")] == before
    assert not queue
    assert queue.peek() is None


def test_a_sweep_never_looks_empty() -> None:
    """While cancelled tasks are swept out, whoever asks without the lock still finds the queue filled."""
    queue, seen = ReadyQueue(), []

    class Waiting(SimpleNamespace):
        @property
        def status(self) -> TaskStatus:
            seen.append(bool(queue))
            return TaskStatus.PENDING

    for number in range(3):
        record: Any = Waiting(spec=SimpleNamespace(priority=number), ready_at=NOW)
        queue.push(record)
    queue.compact()
    assert seen == [True] * 3


def test_a_line_that_runs_empty_is_let_go() -> None:
    """A queue through which many different priorities pass does not keep a line for each of them."""
    queue = ReadyQueue()
    for priority in range(1000):
        queue.push(make_record(priority=priority))
        queue.push(make_record(priority=priority))
        assert queue.pop() is not None
        assert queue.pop() is not None
    assert len(queue._lines) <= 1
