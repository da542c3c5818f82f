"""What `add` promises."""

from __future__ import annotations

import pytest

from hypern.errors import QueueFull
from hypern.records import TERMINAL, Again, TaskStatus
from hypern.stores.conformance.suite import (
    ENDINGS,
    NOW,
    PENDING,
    THREAD,
    Suite,
    claim_one,
    finish,
    kept,
    make_record,
    release_all,
)


class Adding(Suite):
    def test_add_keeps_the_task(self) -> None:
        """An added task is there, PENDING, with all that was said of it."""
        store = self.make_store()
        assert (
            store.add(make_record("a", args=(1, "two"), kwargs={"three": 3}, priority=7, retries=2)) is None
        )
        after = kept(store, "a")
        assert (after.status, after.attempt) == (PENDING, 0)
        assert (after.args, after.kwargs) == ((1, "two"), {"three": 3})
        assert (after.rules.priority, after.rules.retries) == (7, 2)
        assert (after.name, after.submitted_at, after.lane) == ("conformance:task_function", NOW, THREAD)

    @pytest.mark.parametrize("args", [(1,), ((1, 2), {3})])
    def test_a_trail_goes_along(self, args: tuple[object, ...]) -> None:
        """What leads back to the submitter is there when the task is claimed, looked up, tried again and
        repeated; a task without one has none."""
        store = self.make_store()
        trail = {
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "request_id": "r/1",
        }
        record = make_record("a", args=args)
        record.trail = trail
        store.add(record)
        first = claim_one(store)
        assert (first.trail, first.args) == (trail, args)
        finish(store, first, 1, Again("E: e", None, 0.0), NOW)
        release_all(store, 1.0)
        second = claim_one(store)
        assert (second.trail, kept(store, "a").trail) == (trail, trail)
        finish(store, second, 2, ENDINGS[TaskStatus.COMPLETED], NOW)
        assert store.again("a", "b", 1.0, NOW) == "b"
        assert claim_one(store).trail == trail
        store.add(make_record("c", args=args))
        assert claim_one(store).trail is None

    @pytest.mark.parametrize("status", list(TaskStatus))
    def test_add_refuses_a_known_id(self, status: TaskStatus) -> None:
        """An id that is known in whatever state adds nothing and changes nothing."""
        store = self.make_store()
        store.add(make_record("a", args=(1,)))
        if status is not PENDING:
            claimed = claim_one(store)
        if status in TERMINAL:
            finish(store, claimed, 1, ENDINGS[status], NOW)
        before = store.count()
        assert store.add(make_record("a", args=(2,))) is not None
        after = kept(store, "a")
        assert (after.args, after.status) == ((1,), status)
        assert store.count() == before

    def test_a_full_store_refuses(self) -> None:
        """Beyond `capacity` PENDING tasks, delayed ones included, QueueFull; nothing is added."""
        store = self.make_store(capacity=2)
        store.add(make_record("a"))
        store.add(make_record("b", due=10.0))
        with pytest.raises(QueueFull) as refused:
            store.add(make_record("c"))
        assert refused.value.limit == 2
        assert store.get("c") is None
        assert store.count()[PENDING] == 2

    def test_a_known_id_is_no_matter_of_room(self) -> None:
        """A full store answers a known id with that id, not with QueueFull."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        assert store.add(make_record("a")) == "a"

    @pytest.mark.parametrize("way", ["claim", "cancel"])
    def test_room_is_made(self, way: str) -> None:
        """A task that is claimed or cancelled makes room for another."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        if way == "claim":
            claim_one(store)
        else:
            store.cancel("a", NOW)
        assert store.add(make_record("b")) is None
