"""What `release` and `next_due` promise about tasks that expire."""

from __future__ import annotations

import pytest

from hypern.records import Again
from hypern.stores.base import EXPIRED, Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    NOW,
    PENDING,
    RUNNING,
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


class Expiring(Suite):
    def test_cancelled_on_time(self, store: Store) -> None:
        """release: a task that was not started by its time is CANCELLED, with the reason, and never runs."""
        store.add(make_record("one", expires_at=5.0))
        store.release(4.9, NOW + 4.9)
        assert kept(store, "one").status is PENDING
        store.release(5.0, NOW + 5)
        expired = kept(store, "one")
        assert (expired.status, expired.reason) == (CANCELLED, EXPIRED)
        assert (expired.finished_at, expired.attempt, expired.cancel_requested) == (NOW + 5, 0, False)
        assert store.claim(THREAD, NOW) is None
        assert store.idle(5.0)

    def test_next_due_tells_of_it(self, store: Store) -> None:
        """next_due: the next expiry counts like the next due time, and is gone with the task."""
        store.add(make_record("one", expires_at=5.0))
        store.add(make_record("two", due=7.0))
        assert store.next_due() == 5.0
        store.cancel("one", NOW)
        assert store.next_due() == 7.0
        store.add(make_record("three", expires_at=6.0))
        assert store.next_due() == 6.0
        release_all(store, 6.0)
        assert store.next_due() == 7.0

    def test_only_before_the_first_start(self, store: Store) -> None:
        """release: a task that was started does not expire, neither while it runs nor between attempts."""
        running = claimed(store, make_record("one", expires_at=5.0))
        assert store.next_due() is None
        store.release(5.0, NOW)
        assert kept(store, "one").status is RUNNING
        assert finish(store, running, running.fence, Again("once", None, 10.0))
        store.release(9.0, NOW)
        assert kept(store, "one").status is PENDING
        release_all(store, 10.0)
        assert claim_ids(store) == ["one"]

    def test_a_snooze_was_a_start(self, store: Store) -> None:
        """release: a task that put itself off does not expire, though no attempt of it counts."""
        running = claimed(store, make_record("one", expires_at=5.0))
        assert finish(store, running, running.fence, Again("later", None, 10.0, counts=False))
        assert store.next_due() == 10.0
        store.release(6.0, NOW)
        assert kept(store, "one").status is PENDING
        release_all(store, 10.0)
        assert claim_ids(store) == ["one"]

    def test_a_delayed_task_expires_after_its_due_time(self, store: Store) -> None:
        """release: a delayed task waits from its due time to its expiry, in one call if both have come."""
        store.add(make_record("one", due=5.0, expires_at=8.0))
        store.add(make_record("two", due=5.0, expires_at=8.0))
        release_all(store, 5.0)
        assert claim_one(store).id == "one"
        release_all(store, 8.0)
        assert kept(store, "two").status is CANCELLED
        store.add(make_record("three", due=9.0, expires_at=10.0))
        release_all(store, 20.0)
        assert kept(store, "three").status is CANCELLED
        assert store.claim(THREAD, NOW) is None

    def test_in_a_paused_queue(self, store: Store) -> None:
        """release: what cannot start expires as well."""
        store.set_queue("mail", paused=True)
        store.add(make_record("one", queue="mail", expires_at=5.0))
        release_all(store, 5.0)
        assert kept(store, "one").status is CANCELLED

    def test_expiry_makes_room(self) -> None:
        """add: a task that has expired is not PENDING any more."""
        store = self.make_store(capacity=1)
        store.add(make_record(expires_at=5.0))
        release_all(store, 5.0)
        assert store.add(make_record()) is None

    @pytest.mark.parametrize("number", [3000])
    def test_many_expire_at_once(self, number: int) -> None:
        """release: what one call does not cancel, the next ones do; `next_due` says so meanwhile."""
        store = self.make_store(capacity=number, keep=2 * number)
        for _ in range(number):
            store.add(make_record(expires_at=5.0))
        release_all(store, 5.0)
        assert store.count()[CANCELLED] == number
        assert store.next_due() is None
