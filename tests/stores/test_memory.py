"""The store in memory: it passes the suite of all stores, and what is particular to it."""

from __future__ import annotations

import contextvars

import pytest

from hypern.records import Completed, TaskStatus
from hypern.stores import memory
from hypern.stores.conformance import StoreConformance
from hypern.stores.conformance.suite import NOW, THREAD, claim_ids, claimed, finish, kept, make_record
from hypern.stores.memory import MemoryStore


class TestMemoryStore(StoreConformance):
    def make_store(
        self, *, capacity: int = 1000, keep: int = 1000, keep_seconds: float = 60.0
    ) -> MemoryStore:
        return MemoryStore(capacity=capacity, keep=keep, keep_seconds=keep_seconds)


@pytest.fixture
def sweep_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store sweep cancelled tasks out of its queues from ten on."""
    monkeypatch.setattr(memory, "_SWEEP_AT", 10)


def test_objects_are_kept_as_they_are() -> None:
    """Arguments and results are the caller's own objects, as between threads."""
    store, argument, result = MemoryStore(), [1], object()
    running = claimed(store, make_record("one", args=(argument,)))
    argument.append(2)
    assert running.args[0] is argument
    finish(store, running, 1, Completed(result), NOW)
    assert kept(store, "one").result is result


def test_the_number_kept_holds_at_once() -> None:
    """More ended tasks than `keep` push out the oldest of them without waiting for `prune`."""
    store = MemoryStore(keep=2)
    for number in range(4):
        finish(store, claimed(store, make_record(f"n{number}")), 1, Completed(None), NOW)
    assert [record.id for record in store.find({TaskStatus.COMPLETED})] == ["n2", "n3"]


def test_nothing_kept() -> None:
    """`keep=0` forgets a task in the moment in which it ends; one that was cancelled still never runs."""
    store = MemoryStore(keep=0)
    finish(store, claimed(store, make_record("one")), 1, Completed(None), NOW)
    store.add(make_record("two"))
    store.cancel("two", NOW)
    store.add(make_record("two", args=("again",)))
    assert (store.get("one"), claim_ids(store)) == (None, ["two"])


def test_an_ended_task_lets_go_of_its_context() -> None:
    """What the submitter's context held is not kept for as long as the result."""
    store, record = MemoryStore(), make_record("one")
    record.context = contextvars.copy_context()
    finish(store, claimed(store, record), 1, Completed(None), NOW)
    assert kept(store, "one").context is None


@pytest.mark.usefixtures("sweep_early")
@pytest.mark.parametrize("due", [None, 5.0])
def test_cancelled_tasks_are_swept(due: float | None) -> None:
    """Many cancelled tasks leave their queue before it is their turn; the others keep their order."""
    store = MemoryStore()
    for number in range(40):
        store.add(make_record(f"n{number:02d}", due=due, priority=number % 3))
    for number in range(0, 40, 2):
        store.cancel(f"n{number:02d}", NOW)
    lines = store._lines.queue("default").thread._lines
    waiting = len(store._delayed) if due else sum(map(len, lines.values()))
    assert waiting < 30
    store.release(5.0, NOW)
    rest = [f"n{number:02d}" for number in range(1, 40, 2)]
    assert claim_ids(store) == sorted(rest, key=lambda task_id: -(int(task_id[1:]) % 3))
    assert (store.next_due(), store.has_ready(THREAD)) == (None, False)
