"""The store in memory: it passes the suite of all stores, and what is particular to it."""

from __future__ import annotations

import contextvars
import weakref

import pytest

from hypern.records import Completed, TaskStatus
from hypern.stores import memory, memory_state
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
    monkeypatch.setattr(memory, "SWEEP_AT", 10)
    monkeypatch.setattr(memory_state, "SWEEP_AT", 10)


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


def test_a_place_is_let_go() -> None:
    """A task that waited for its place among the starts of its task, and was cancelled, leaves nothing."""
    store = MemoryStore()
    for task_id in ("one", "two"):
        running = claimed(store, make_record(task_id, rate=1.0))
        store.admit(running, running.fence, 0.0, NOW)
    assert list(store._places) == ["two"]
    store.cancel("two", NOW)
    assert not store._places


@pytest.mark.usefixtures("sweep_early")
def test_expiry_keeps_nothing_that_has_ended() -> None:
    """Tasks that ended long before they would have expired are not kept until then."""
    store = MemoryStore(keep=5)
    for _ in range(100):
        finish(store, claimed(store, make_record(expires_at=1e9)), 1, Completed(None), NOW)
    store.add(make_record("waits", expires_at=1e9))
    store.prune(NOW)
    assert len(store._expiring) == 1
    assert store.next_due() == 1e9


def test_queues_that_are_empty_are_let_go() -> None:
    """A queue for each customer is no burden when all have ended; a pause and a limit are not forgotten."""
    store = MemoryStore()
    for number in range(50):
        finish(store, claimed(store, make_record(queue=f"q{number}")), 1, Completed(None), NOW)
    store.set_queue("paused", paused=True)
    store.set_queue("limited", limit=1)
    store.add(make_record("waits", queue="q7"))
    store.prune(NOW)
    assert set(store._lines.queues) == {"paused", "limited", "q7"}
    store.add(make_record("again", queue="q8"))
    assert claim_ids(store) == ["waits", "again"]


def test_a_key_keeps_no_result() -> None:
    """A key that outlives its task holds an id, not the task's arguments and result."""
    store, result = MemoryStore(keep=0), Result()
    gone = weakref.ref(result)
    running = claimed(store, make_record("one", unique_key="k", unique_for=1e6))
    finish(store, running, 1, Completed(result), NOW)
    del running, result
    assert store.add(make_record("two", unique_key="k", wall=NOW + 1)) == "one"
    assert gone() is None


class Result:
    pass


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
