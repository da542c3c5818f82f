"""Steering: tasks repeated, hastened and deleted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from hypern.errors import QueueFull
from hypern.records import TERMINAL, Again, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    COMPLETED,
    ENDINGS,
    FAILED,
    NOW,
    PENDING,
    RUNNING,
    THREAD,
    Suite,
    make_record,
)


def add_ended(store: Store, task_id: str, status: TaskStatus = FAILED, **options: Any) -> None:
    store.add(make_record(task_id, **options))
    claimed = store.claim(THREAD, NOW)
    assert claimed is not None
    store.finish(claimed, claimed.fence, ENDINGS[status], NOW)
    store.flush()


class Steering(Suite):
    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_again(self, store: Store, status: TaskStatus) -> None:
        """An ended task is repeated under a new id, with its arguments and rules; it stays as it was."""
        add_ended(store, "a", status, args=(1, "two"), kwargs={"x": [3]}, priority=5, queue="mail")
        before = store.get("a")
        assert before is not None
        assert store.again("a", "b", 0.0, NOW + 5) == "b"
        record = store.claim(THREAD, NOW + 6)
        assert record is not None
        assert (record.id, record.args, record.kwargs) == ("b", (1, "two"), {"x": [3]})
        assert (record.rules.priority, record.rules.queue, record.attempt) == (5, "mail", 1)
        repeated, after = store.get("b"), store.get("a")
        assert repeated is not None
        assert after is not None
        assert (repeated.origin, repeated.submitted_at) == ("a", NOW + 5)
        assert (after.status, after.origin, after.finished_at) == (status, None, before.finished_at)

    def test_again_of_what_has_not_ended(self, store: Store) -> None:
        """Unknown, waiting and running tasks are not repeated."""
        store.add(make_record("running"))
        store.claim(THREAD, NOW)
        store.add(make_record("waiting"))
        for task_id in ("running", "waiting", "unknown"):
            assert store.again(task_id, "new", 0.0, NOW) is None
        assert store.get("new") is None

    def test_again_is_held_to_what_holds_for_adding(self) -> None:
        """A unique key is respected, and so is the room; twice with one id adds one task."""
        store = self.make_store(capacity=1)
        add_ended(store, "a", unique_key="k")
        assert store.again("a", "b", 0.0, NOW) == "b"
        assert store.again("a", "b", 0.0, NOW) == "b"
        assert store.again("a", "c", 0.0, NOW) == "b"
        other = self.make_store(capacity=1)
        add_ended(other, "a")
        other.add(make_record())
        with pytest.raises(QueueFull):
            other.again("a", "b", 0.0, NOW)

    def test_hasten(self, store: Store) -> None:
        """A delayed task is ready at once, behind what waits already, and is run once."""
        store.add(make_record("ready"))
        store.add(make_record("later", due=100.0))
        assert store.hasten("later", 1.0, NOW + 1)
        assert not store.hasten("later", 1.0, NOW + 1)
        claimed = [store.claim(THREAD, NOW + 2) for _ in range(3)]
        assert [record and record.id for record in claimed] == ["ready", "later", None]
        assert not store.release(200.0, NOW + 200)
        assert store.claim(THREAD, NOW + 200) is None

    def test_hasten_a_retry(self, store: Store) -> None:
        """One that waits for its next attempt, also when that is put off again."""
        store.add(make_record("a"))
        for due in (50.0, 60.0):
            record = store.claim(THREAD, NOW)
            assert record is not None
            store.finish(record, record.fence, Again("E: e", None, due), NOW)
            store.flush()
            assert store.hasten("a", 1.0, NOW + 1)
        record = store.claim(THREAD, NOW + 1)
        assert record is not None
        store.finish(record, record.fence, Again("E: e", None, 70.0), NOW)
        store.flush()
        store.release(65.0, NOW + 65)
        assert store.claim(THREAD, NOW + 65) is None
        assert store.next_due() == 70.0
        store.release(70.0, NOW + 70)
        record = store.claim(THREAD, NOW + 70)
        assert record is not None
        assert record.attempt == 4

    @pytest.mark.parametrize("task_id", ["\0", "a\0", "\ud800", "a\udcff"])
    def test_ids_that_no_task_can_have(self, store: Store, task_id: str) -> None:
        """Each verb says that there is none, also where the id is no text that a database would take."""
        add_ended(store, "a")
        assert store.get(task_id) is None
        assert store.cancel(task_id, NOW) is None
        assert store.again(task_id, "b", 0.0, NOW) is None
        assert not store.hasten(task_id, 0.0, NOW)
        assert store.delete([task_id]) == 0
        assert store.logs(task_id) == []

    def test_hasten_what_does_not_wait_for_a_time(self, store: Store) -> None:
        """Ready, running, ended and unknown tasks are left alone."""
        add_ended(store, "ended")
        store.add(make_record("running"))
        store.claim(THREAD, NOW)
        store.add(make_record("ready"))
        for task_id in ("ready", "running", "ended", "unknown"):
            assert not store.hasten(task_id, 0.0, NOW)

    def test_delete(self, store: Store) -> None:
        """Ended tasks are gone, others are left."""
        add_ended(store, "a", COMPLETED)
        add_ended(store, "b", CANCELLED)
        store.add(make_record("running"))
        store.claim(THREAD, NOW)
        store.add(make_record("waiting"))
        assert store.delete(["a", "b", "a", "running", "waiting", "unknown"]) == 2
        assert store.get("a") is None
        assert {record.id for record in store.find(set(TaskStatus))} == {"running", "waiting"}
        counted = store.count()
        assert (counted[COMPLETED], counted[PENDING], counted[RUNNING]) == (0, 1, 1)
        assert store.prune(NOW + 1e6) == 0
