"""What `admit` promises about tasks that may start only so often."""

from __future__ import annotations

import itertools

from hypern.records import Completed, TaskRecord
from hypern.stores.base import Cancellation, Store
from hypern.stores.conformance.suite import (
    LOOP,
    NOW,
    PENDING,
    RUNNING,
    THREAD,
    Ear,
    Suite,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
    other_function,
    release_all,
)


def try_all(store: Store, steady: float) -> list[TaskRecord]:
    """Claim whatever can be claimed at this moment: those that were admitted."""
    release_all(store, steady, NOW + steady)
    started = []
    while (record := store.claim(THREAD, NOW + steady)) is not None:
        if store.admit(record, record.fence, steady, NOW + steady):
            started.append(record)
    return started


def run_until(store: Store, begin: float, end: float) -> list[tuple[float, str]]:
    """Try whenever `next_due` says so: every start, with its moment. Each task ends as soon as it starts."""
    starts = []
    moment = begin
    while moment <= end:
        for record in try_all(store, moment):
            starts.append((moment, record.id))
            assert finish(store, record, record.fence, Completed(None), NOW + moment)
        due = store.next_due()
        if due is None:
            break
        assert due > moment
        moment = due
    return starts


class Pacing(Suite):
    def test_no_rate(self, store: Store) -> None:
        """admit: a task without a rate always starts."""
        for _ in range(3):
            record = claimed(store, make_record())
            assert store.admit(record, record.fence, 1.0, NOW)

    def test_evenly_and_in_order(self, store: Store) -> None:
        """admit: of many that wait one starts at once, and then one after each part of the rate."""
        for number in range(5):
            store.add(make_record(f"n{number}", rate=4.0))
        assert run_until(store, 10.0, 20.0) == [
            (10.0, "n0"),
            (10.25, "n1"),
            (10.5, "n2"),
            (10.75, "n3"),
            (11.0, "n4"),
        ]

    def test_a_refused_start_is_none(self, store: Store) -> None:
        """admit: a task that is too early waits until its place comes, and no attempt was made."""
        store.add(make_record("first", rate=1.0))
        store.add(make_record("second", rate=1.0, retries=1))
        assert [record.id for record in try_all(store, 10.0)] == ["first"]
        waiting = kept(store, "second")
        assert (waiting.status, waiting.attempt, waiting.started_at) == (PENDING, 0, 0.0)
        assert store.next_due() == 11.0
        assert store.idle(10.9) is False  # for the first one
        assert try_all(store, 10.9) == []
        (second,) = try_all(store, 11.0)
        assert (second.id, second.attempt, second.fence, second.started_at) == ("second", 1, 2, NOW + 11)
        assert kept(store, "second").status is RUNNING

    def test_an_old_claim_is_void(self, store: Store) -> None:
        """admit, finish: the claim that was given back cannot end the task any more."""
        first = claimed(store, make_record("first", rate=1.0))
        assert store.admit(first, first.fence, 10.0, NOW)
        second = claimed(store, make_record("second", rate=1.0))
        fence = second.fence
        assert store.admit(second, fence, 10.0, NOW) is False
        assert finish(store, second, fence, Completed("early")) is False
        (again,) = try_all(store, 11.0)
        assert finish(store, second, fence, Completed("early")) is False
        assert finish(store, again, again.fence, Completed("right"))
        assert kept(store, "second").result == "right"

    def test_time_that_passed_is_lost(self, store: Store) -> None:
        """admit: after a pause the starts do not make up for it."""
        store.add(make_record("before", rate=2.0))
        assert len(try_all(store, 10.0)) == 1
        for _ in range(4):
            store.add(make_record(rate=2.0))
        assert [moment for moment, _ in run_until(store, 100.0, 200.0)] == [100.0, 100.5, 101.0, 101.5]

    def test_late_ones_do_not_bunch(self, store: Store) -> None:
        """admit: when places passed without a start, for want of a worker or in a paused queue, those that
        had them start one by one all the same."""
        for number in range(10):
            store.add(make_record(f"n{number}", rate=2.0))
        assert len(try_all(store, 10.0)) == 1
        starts = run_until(store, 13.1, 100.0)
        assert len({task_id for _, task_id in starts}) == 9
        moments = [moment for moment, _ in starts]
        assert moments[0] == 13.1
        assert min(after - before for before, after in itertools.pairwise(moments)) >= 0.5 - 1e-9

    def test_a_slow_worker_keeps_the_order(self, store: Store) -> None:
        """admit: where tasks take longer than the rate asks for, they start in order, as soon as they can."""
        for number in range(6):
            store.add(make_record(f"n{number}", rate=10.0))
        started = []
        for moment in range(10, 16):
            release_all(store, float(moment), NOW + moment)
            while (record := store.claim(THREAD, NOW + moment)) is not None:
                if store.admit(record, record.fence, float(moment), NOW + moment):
                    started.append(record.id)
                    finish(store, record, record.fence, Completed(None))
                    break
        assert started == [f"n{number}" for number in range(6)]

    def test_a_little_late_is_not_last(self, store: Store) -> None:
        """admit: a start that came a little late makes the next one a little late, and costs no place."""
        for number in range(4):
            store.add(make_record(f"n{number}", rate=1.0))
        assert len(try_all(store, 10.0)) == 1
        assert [record.id for record in try_all(store, 11.2)] == ["n1"]
        assert try_all(store, 12.0) == []
        assert store.next_due() is not None
        assert [record.id for record in try_all(store, 12.2)] == ["n2"]
        assert [record.id for record in try_all(store, 13.2)] == ["n3"]

    def test_each_task_has_its_own(self, store: Store) -> None:
        """admit: the starts of one task are counted, in all queues together; other tasks have their own."""
        store.add(make_record("one", rate=1.0))
        store.add(make_record("same", rate=1.0, queue="other"))
        store.add(make_record("different", rate=1.0, func=other_function))
        assert {record.id for record in try_all(store, 10.0)} == {"one", "different"}
        assert [record.id for record in try_all(store, 11.0)] == ["same"]

    def test_a_cancelled_place(self, store: Store) -> None:
        """cancel: a task that waits for its place can be cancelled; its id brings no place to another."""
        for task_id in ("first", "second"):
            store.add(make_record(task_id, rate=1.0))
        try_all(store, 10.0)
        assert store.cancel("second", NOW) is Cancellation.DONE
        assert try_all(store, 11.0) == []
        store.prune(NOW + 1000)
        store.add(make_record("third", rate=1.0))
        store.add(make_record("second", rate=1.0))
        assert [record.id for record in try_all(store, 20.0)] == ["third"]
        assert kept(store, "second").status is PENDING

    def test_it_can_expire_before_its_place(self, store: Store) -> None:
        """admit, release: a task that was too early has not been started, so it still expires."""
        store.add(make_record("first", rate=1.0))
        store.add(make_record("second", rate=1.0, expires_at=10.5))
        try_all(store, 10.0)
        assert store.next_due() == 10.5
        release_all(store, 10.5)
        assert kept(store, "second").status.value == "cancelled"
        assert store.claim(THREAD, NOW) is None

    def test_it_expires_though_it_was_claimed_then(self, store: Store) -> None:
        """release: nor does it matter that it was thought to run when its time came."""
        store.add(make_record("first", rate=1.0))
        store.add(make_record("second", rate=1.0, expires_at=10.5))
        first, second = claim_one(store), claim_one(store)
        assert store.admit(first, first.fence, 10.4, NOW)
        store.release(10.5, NOW)
        assert store.admit(second, second.fence, 10.6, NOW) is False
        release_all(store, 10.6)
        assert kept(store, "second").status.value == "cancelled"

    def test_a_limited_queue_has_room_again(self, store: Store) -> None:
        """admit: a task that was too early takes no place of its queue; the other lane is told."""
        store.set_queue("mail", limit=1)
        first = claimed(store, make_record("first", rate=1.0))
        assert store.admit(first, first.fence, 10.0, NOW)
        second = claimed(store, make_record("second", rate=1.0, queue="mail"))
        store.add(make_record("loop", queue="mail", lane=LOOP))
        assert store.claim(LOOP, NOW) is None
        ear = Ear()
        store.attach(ear)
        assert store.admit(second, second.fence, 10.0, NOW) is False
        assert LOOP in ear.ready
        assert claim_one(store, LOOP).id == "loop"
