"""What `queues`, `set_queue` and `ahead` promise, and what they mean for `claim`."""

from __future__ import annotations

import threading
import time

from hypern.records import Again, Completed, Lane, TaskRecord
from hypern.stores.base import QueueState, Store
from hypern.stores.conformance.suite import (
    LOOP,
    NOW,
    PENDING,
    RUNNING,
    THREAD,
    Ear,
    Suite,
    claim_ids,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
    together,
)


def end(store: Store, record: TaskRecord) -> None:
    assert finish(store, record, record.fence, Completed(None))


class Queueing(Suite):
    def test_queues_share_the_order(self, store: Store) -> None:
        """claim: the order of priority and waiting is one over all queues."""
        store.add(make_record("a low", queue="a", priority=-10, wall=NOW))
        store.add(make_record("b second", queue="b", wall=NOW + 1))
        store.add(make_record("a first", queue="a", wall=NOW))
        store.add(make_record("c high", queue="c", priority=10, wall=NOW + 2))
        assert claim_ids(store) == ["c high", "a first", "b second", "a low"]

    def test_a_paused_queue_gives_nothing(self, store: Store) -> None:
        """claim, has_ready: tasks of a paused queue stay where they are, in both lanes; others go on."""
        for queue in ("mail", "other"):
            for lane in (THREAD, LOOP):
                store.add(make_record(f"{queue} {lane}", queue=queue, lane=lane))
        store.set_queue("mail", paused=True)
        assert claim_ids(store, THREAD) == ["other thread"]
        assert claim_ids(store, LOOP) == ["other loop"]
        assert (store.has_ready(THREAD), store.has_ready(LOOP)) == (False, False)
        assert kept(store, "mail thread").status is PENDING
        store.set_queue("mail", paused=False)
        assert (store.has_ready(THREAD), store.has_ready(LOOP)) == (True, True)
        assert claim_ids(store, THREAD) == ["mail thread"]
        assert claim_ids(store, LOOP) == ["mail loop"]

    def test_what_runs_goes_on(self, store: Store) -> None:
        """set_queue: pausing a queue does not touch its running tasks, nor limit what they may do."""
        running = claimed(store, make_record(queue="mail"))
        store.set_queue("mail", paused=True)
        assert kept(store, running.id).status is RUNNING
        assert finish(store, running, running.fence, Again("once", None, 1.0))
        release_all(store, 1.0)
        assert claim_ids(store) == []
        store.set_queue("mail", paused=False)
        assert claim_ids(store) == [running.id]

    def test_a_paused_queue_takes_tasks(self, store: Store) -> None:
        """add, release, cancel: a paused queue lets nothing start, and is like any other otherwise."""
        store.set_queue("mail", paused=True)
        store.add(make_record("one", queue="mail"))
        store.add(make_record("two", queue="mail", due=5.0))
        store.add(make_record("three", queue="mail"))
        release_all(store, 5.0)
        assert store.cancel("one", NOW) is not None
        assert claim_ids(store) == []
        store.set_queue("mail", paused=False)
        assert claim_ids(store) == ["three", "two"]

    def test_a_paused_queue_is_not_waited_for(self, store: Store) -> None:
        """idle: a task of a paused queue could not start, so a store that has only such ones is idle."""
        store.set_queue("mail", paused=True)
        store.add(make_record("one", queue="mail"))
        assert store.idle(0.0)
        store.add(make_record("two", queue="other"))
        assert not store.idle(0.0)
        end(store, claim_one(store))
        assert store.idle(0.0)
        store.set_queue("mail", paused=False)
        assert not store.idle(0.0)

    def test_a_limit_is_for_all_lanes_together(self, store: Store) -> None:
        """claim: of a queue with a limit no more than so many run at once, whichever lanes they are in."""
        store.set_queue("mail", limit=2)
        for number in range(3):
            store.add(make_record(f"thread {number}", queue="mail"))
            store.add(make_record(f"loop {number}", queue="mail", lane=LOOP))
        first = claim_one(store, THREAD)
        second = claim_one(store, LOOP)
        for lane in (THREAD, LOOP):
            assert store.claim(lane, NOW) is None
            assert not store.has_ready(lane)
        end(store, first)
        assert claim_ids(store, LOOP) == ["loop 1"]
        end(store, second)
        assert claim_ids(store, LOOP) == ["loop 2"]
        assert claim_ids(store, THREAD) == []

    def test_a_limit_counts_what_runs_already(self, store: Store) -> None:
        """set_queue: tasks that were started before the limit was set count for it."""
        running = [claimed(store, make_record(queue="mail")) for _ in range(3)]
        store.add(make_record("next", queue="mail"))
        store.set_queue("mail", limit=2)
        for record in running[:2]:
            assert store.claim(THREAD, NOW) is None
            end(store, record)
        assert claim_ids(store) == ["next"]

    def test_a_retry_gives_its_place_back(self, store: Store) -> None:
        """finish: a task that waits for another attempt does not run, so it leaves room in its queue."""
        store.set_queue("mail", limit=1)
        running = claimed(store, make_record("one", queue="mail"))
        store.add(make_record("two", queue="mail"))
        assert store.claim(THREAD, NOW) is None
        finish(store, running, running.fence, Again("once", None, 5.0))
        assert claim_ids(store) == ["two"]

    def test_a_limit_holds_back_its_own_queue_only(self, store: Store) -> None:
        """claim: tasks of other queues pass by those that are held back, whatever their priority."""
        store.set_queue("mail", limit=1)
        claimed(store, make_record(queue="mail"))
        store.add(make_record("held back", queue="mail", priority=20))
        store.add(make_record("passes", queue="other", priority=-10))
        assert claim_ids(store) == ["passes"]

    def test_a_limit_is_changed_and_lifted(self, store: Store) -> None:
        """set_queue: a higher limit lets more start, a limit of 0 means none, None leaves it as it is."""
        store.set_queue("mail", limit=1)
        for number in range(5):
            store.add(make_record(f"n{number}", queue="mail"))
        assert claim_ids(store) == ["n0"]
        store.set_queue("mail", limit=2)
        assert claim_ids(store) == ["n1"]
        store.set_queue("mail", paused=False)
        assert claim_ids(store) == []
        store.set_queue("mail", limit=0)
        assert claim_ids(store) == ["n2", "n3", "n4"]

    def test_room_is_told_to_the_other_lane(self, store: Store) -> None:
        """finish, set_queue: whoever works is told of tasks that could not start until now."""
        ear = Ear()
        store.attach(ear)
        store.set_queue("mail", limit=1)
        running = claimed(store, make_record(queue="mail"))
        store.add(make_record(queue="mail", lane=LOOP))
        assert store.claim(LOOP, NOW) is None
        ear.ready.clear()
        finish(store, running, running.fence, Completed(None), ear=ear)
        assert LOOP in ear.ready
        store.set_queue("mail", paused=True)
        ear.ready.clear()
        store.set_queue("mail", paused=False)
        assert LOOP in ear.ready

    def test_what_is_known_of_queues(self, store: Store) -> None:
        """queues: each that has tasks to run, is paused or has a limit, by name, with its numbers."""
        assert store.queues() == []
        store.set_queue("paused", paused=True)
        store.set_queue("limited", limit=3)
        assert store.queues() == [
            QueueState("limited", False, 3, 0, 0, 0),
            QueueState("paused", True, None, 0, 0, 0),
        ]
        running = claimed(store, make_record(queue="mail"))
        ended = claimed(store, make_record(queue="ended"))
        end(store, ended)
        store.add(make_record("waiting", queue="mail", lane=LOOP))
        for _ in range(2):
            store.add(make_record(queue="mail", due=5.0))
        assert store.queues()[1] == QueueState("mail", False, None, waiting=1, delayed=2, running=1)
        assert [queue.name for queue in store.queues()] == ["limited", "mail", "paused"]
        finish(store, running, running.fence, Again("once", None, 5.0))
        store.cancel("waiting", NOW)
        assert store.queues()[1] == QueueState("mail", False, None, waiting=0, delayed=3, running=0)
        release_all(store, 5.0)
        assert store.queues()[1] == QueueState("mail", False, None, waiting=3, delayed=0, running=0)

    def test_how_many_stand_before(self, store: Store) -> None:
        """ahead: the waiting tasks of the same queue and lane that would be claimed before it."""
        ids = ["first", "second", "third"]
        records = {task_id: make_record(task_id, queue="mail") for task_id in ids}
        for record in records.values():
            store.add(record)
        store.add(make_record(queue="mail", lane=LOOP, priority=20))
        store.add(make_record(queue="other", priority=5))
        assert [store.ahead(records[task_id]) for task_id in ids] == [0, 1, 2]
        store.add(make_record("urgent", queue="mail", priority=10))
        assert [store.ahead(records[task_id]) for task_id in ids] == [1, 2, 3]
        store.cancel("second", NOW)
        assert [store.ahead(records[task_id]) for task_id in ("first", "third")] == [1, 2]
        assert claim_one(store).id == "urgent"
        assert [store.ahead(records[task_id]) for task_id in ("first", "third")] == [0, 1]

    def test_a_limit_holds_in_a_race(self, store: Store) -> None:
        """claim: eight threads that claim from both lanes never have more than the limit running."""
        store.set_queue("mail", limit=3)
        for number in range(200):
            store.add(make_record(queue="mail", lane=LOOP if number % 2 else THREAD))
        lock = threading.Lock()
        broken = threading.Event()
        now, most, done = 0, 0, 0

        def claim_and_end(lane: Lane) -> None:
            nonlocal now, most, done
            record = store.claim(lane, NOW)
            if record is None:  # the lane may be empty, or the queue full
                time.sleep(0.001)  # or those that have work get no turn
                return
            with lock:
                now += 1
                most = max(most, now)
            with lock:
                now -= 1
            end(store, record)
            with lock:
                done += 1

        def work(number: int) -> None:
            try:
                while done < 200 and not broken.is_set():
                    claim_and_end(LOOP if number % 2 else THREAD)
            except BaseException:
                broken.set()
                raise

        together(work)
        assert (now, done) == (0, 200)
        assert 1 <= most <= 3
        assert store.idle(0.0)
