"""What `release`, `next_due` and `idle` promise about tasks that wait for their time."""

from __future__ import annotations

import pytest

from hypern.records import Again, Completed
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    LOOP,
    NOW,
    THREAD,
    Suite,
    claim_ids,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
)


class Delaying(Suite):
    def test_a_delayed_task_cannot_be_claimed(self, store: Store) -> None:
        """claim: passes over tasks that `release` has not let through."""
        store.add(make_record(due=0.001))
        assert store.claim(THREAD, NOW + 1e9) is None

    @pytest.mark.parametrize("due", [0.001, 5.0, 86_400.0, 1e12])
    def test_never_early(self, store: Store, due: float) -> None:
        """release: lets nothing through before its time, and at its time at the latest."""
        store.add(make_record("one", due=due))
        just_before = due * (1 - 1e-9)
        assert not store.release(just_before, NOW)
        assert store.claim(THREAD, NOW) is None
        assert set(store.release(due, NOW)) == {THREAD}
        assert claim_ids(store) == ["one"]

    def test_in_order_of_time(self, store: Store) -> None:
        """release: those due earlier come first, and those due at the same moment as they were added."""
        for task_id, due in [("d", 7.0), ("b", 5.0), ("e", 7.0), ("a", 1.0), ("c", 5.0)]:
            store.add(make_record(task_id, due=due))
        release_all(store, 10.0)
        assert claim_ids(store) == ["a", "b", "c", "d", "e"]

    def test_only_what_is_due(self, store: Store) -> None:
        """release: leaves alone what is not due yet."""
        store.add(make_record("soon", due=1.0))
        store.add(make_record("later", due=2.0))
        release_all(store, 1.5)
        assert claim_ids(store) == ["soon"]
        assert store.next_due() == 2.0

    def test_the_lanes_that_got_some(self, store: Store) -> None:
        """release: answers with the lanes that have new work, and with none where nothing was due."""
        assert not store.release(100.0, NOW)
        store.add(make_record(due=1.0, lane=LOOP))
        assert set(store.release(1.0, NOW)) == {LOOP}
        store.add(make_record(due=2.0, lane=LOOP))
        store.add(make_record(due=2.0, lane=THREAD))
        assert release_all(store, 2.0) == {LOOP, THREAD}
        assert not store.release(100.0, NOW)

    def test_many_at_once(self) -> None:
        """release: what one call does not let through, the next ones do; `next_due` says so meanwhile."""
        store = self.make_store(capacity=3000, keep=10, keep_seconds=60.0)
        ids = [store_id for number in range(3000) if (store_id := f"n{number:04d}")]
        for task_id in ids:
            store.add(make_record(task_id, due=1.0))
        assert release_all(store, 1.0) == {THREAD}
        assert claim_ids(store) == ids

    def test_waiting_counts_from_the_due_time(self, store: Store) -> None:
        """claim: a delay is not waiting; a task that was due an hour after it came overtakes nobody."""
        store.add(make_record("delayed", due=3600.0, wall=NOW))
        store.add(make_record("waiting", wall=NOW + 3599))
        release_all(store, 3600.0, NOW + 3600)
        assert claim_ids(store, wall=NOW + 3600) == ["waiting", "delayed"]

    def test_priority_counts_once_due(self, store: Store) -> None:
        """claim: among tasks that became due together, the higher priority comes first."""
        store.add(make_record("low", due=1.0, priority=-10))
        store.add(make_record("high", due=1.0, priority=10))
        release_all(store, 1.0)
        assert claim_ids(store) == ["high", "low"]

    def test_next_due(self, store: Store) -> None:
        """next_due: the earliest time at which something is due, None when nothing is delayed."""
        assert store.next_due() is None
        store.add(make_record())
        assert store.next_due() is None
        store.add(make_record("late", due=9.0))
        assert store.next_due() == 9.0
        store.add(make_record("early", due=3.0))
        assert store.next_due() == 3.0
        release_all(store, 3.0)
        assert store.next_due() == 9.0
        release_all(store, 9.0)
        assert store.next_due() is None

    def test_idle_step_by_step(self, store: Store) -> None:
        """idle: only while nothing runs and nothing could start."""
        assert store.idle(0.0)
        for lane in (THREAD, LOOP):
            store.add(make_record(lane=lane))
            assert not store.idle(0.0)
            running = claim_one(store, lane)
            assert not store.idle(0.0)
            finish(store, running, 1, Completed(None), NOW)
            assert store.idle(0.0)

    def test_idle_before_the_time(self, store: Store) -> None:
        """idle: tasks that wait for their time do not count until it has come, released or not."""
        store.add(make_record(due=5.0))
        assert store.idle(4.9)
        assert not store.idle(5.0)
        release_all(store, 5.0)
        assert not store.idle(5.0)

    def test_idle_between_attempts(self, store: Store) -> None:
        """idle: a task that waits for another attempt is delayed like any other."""
        running = claimed(store, make_record())
        finish(store, running, 1, Again("E", "text", 5.0), NOW)
        assert store.idle(4.9)
        assert not store.idle(5.0)

    @pytest.mark.parametrize("due", [None, 5.0])
    def test_idle_but_for_cancelled_ones(self, store: Store, due: float | None) -> None:
        """idle: a cancelled task is nothing to wait for, wherever it had been waiting."""
        store.add(make_record("one", due=due))
        store.add(make_record("two", due=due))
        store.cancel("one", NOW)
        assert not store.idle(5.0)
        store.cancel("two", NOW)
        assert store.idle(5.0)
        assert store.next_due() is None

    def test_a_release_changes_no_state(self, store: Store) -> None:
        """release: a task that has come through is PENDING like before."""
        store.add(make_record("one", due=1.0))
        release_all(store, 1.0)
        assert (kept(store, "one").status.value, kept(store, "one").attempt) == ("pending", 0)
