"""The first half of what every store must do, as tests: how a task is added, claimed, ended, cancelled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest

from hypern.errors import QueueFull
from hypern.records import (
    TERMINAL,
    Again,
    Cancelled,
    Completed,
    Ending,
    Failed,
    Lane,
    TaskRecord,
    TaskStatus,
)
from hypern.stores.base import AGEING, Cancellation, Store

THREAD, LOOP = Lane.THREAD, Lane.LOOP
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING

# The wall-clock second at which all of this happens.
NOW = 1_700_000_000.0
FAILED = Failed("ValueError: bad row", "Traceback …")
ENDINGS: dict[TaskStatus, Ending] = {
    TaskStatus.COMPLETED: Completed(42),
    TaskStatus.FAILED: FAILED,
    TaskStatus.CANCELLED: Cancelled(),
}


def work(*args: Any, **kwargs: Any) -> None:
    """The function of the tasks here; stores never call it."""


def make_record(task_id: str, **fields: Any) -> TaskRecord:
    """A PENDING record, submitted at `NOW` to the thread lane unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "func": work,
        "target": work,
        "name": "conformance:work",
        "lane": THREAD,
        "args": (),
        "kwargs": {},
        "priority": 0,
        "retries": 0,
        "submitted_at": NOW,
        "due": None,
        "context": None,
        "ready_at": NOW,
    }
    return TaskRecord(id=task_id, **{**given, **fields})


def claim_ids(store: Store, lane: Lane = THREAD) -> list[str]:
    """Claim until there is nothing; the ids in the order in which they came."""
    ids = []
    while (record := store.claim(lane, NOW)) is not None:
        ids.append(record.id)
    return ids


def claim_one(store: Store, lane: Lane = THREAD) -> TaskRecord:
    record = store.claim(lane, NOW)
    assert record is not None
    return record


def status_of(store: Store, task_id: str) -> TaskStatus:
    record = store.get(task_id)
    assert record is not None
    return record.status


class LifeConformance(ABC):
    """Part of `StoreConformance`; subclass that."""

    @abstractmethod
    def make_store(self, *, capacity: int = 100, keep: int = 100, keep_seconds: float = 3600.0) -> Store:
        """An empty store: at most `capacity` PENDING tasks; ended ones are kept at most `keep` many and
        `keep_seconds` long."""

    # -- add ----------------------------------------------------------------------------------------

    def test_add_keeps_the_task(self) -> None:
        """An added task is there, PENDING, with all that was said of it."""
        store = self.make_store()
        assert store.add(make_record("a", args=(1, "two"), kwargs={"three": 3}, priority=7, retries=2))
        kept = store.get("a")
        assert kept is not None
        assert (kept.status, kept.attempt) == (PENDING, 0)
        assert (kept.args, kept.kwargs, kept.priority, kept.retries) == ((1, "two"), {"three": 3}, 7, 2)
        assert (kept.name, kept.submitted_at, kept.lane) == ("conformance:work", NOW, THREAD)

    @pytest.mark.parametrize("status", list(TaskStatus))
    def test_add_refuses_a_known_id(self, status: TaskStatus) -> None:
        """An id that is known in whatever state adds nothing and changes nothing."""
        store = self.make_store()
        store.add(make_record("a", args=(1,)))
        if status is not PENDING:
            claimed = claim_one(store)
        if status in TERMINAL:
            store.finish(claimed, 1, ENDINGS[status], NOW)
        before = store.count()
        assert store.add(make_record("a", args=(2,))) is False
        kept = store.get("a")
        assert kept is not None
        assert (kept.args, kept.status) == ((1,), status)
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
        """A full store answers a known id with False, not with QueueFull."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        assert store.add(make_record("a")) is False

    @pytest.mark.parametrize("way", ["claim", "cancel"])
    def test_room_is_made(self, way: str) -> None:
        """A task that is claimed or cancelled makes room for another."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        if way == "claim":
            claim_one(store)
        else:
            store.cancel("a", NOW)
        assert store.add(make_record("b"))

    # -- claim --------------------------------------------------------------------------------------

    def test_claim_starts_the_task(self) -> None:
        """Claiming makes the task RUNNING, at attempt 1, started now, and gives it once."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        assert (record.id, record.status, record.attempt, record.started_at) == ("a", RUNNING, 1, NOW)
        assert status_of(store, "a") is RUNNING
        assert store.claim(THREAD, NOW) is None

    def test_lanes_are_apart(self) -> None:
        """A lane gives its own tasks only."""
        store = self.make_store()
        store.add(make_record("coroutine", lane=LOOP))
        assert store.has_ready(LOOP)
        assert not store.has_ready(THREAD)
        assert store.claim(THREAD, NOW) is None
        assert claim_one(store, LOOP).id == "coroutine"

    def test_equals_come_in_order(self) -> None:
        """Tasks of one priority are claimed in the order in which they were added."""
        store = self.make_store()
        ids = [f"task-{number}" for number in range(20)]
        for task_id in ids:
            store.add(make_record(task_id))
        assert claim_ids(store) == ids

    def test_higher_priority_comes_first(self) -> None:
        """Among tasks added at one time the higher priority goes first; within it, the earlier added."""
        store = self.make_store()
        for number, priority in enumerate((0, 20, -10, 10, 20, 0)):
            store.add(make_record(f"{priority}:{number}", priority=priority))
        assert claim_ids(store) == ["20:1", "20:4", "10:3", "0:0", "0:5", "-10:2"]

    def test_waiting_is_worth_priority(self) -> None:
        """One point of priority is worth `AGEING` seconds of waiting, no more and no less."""
        store = self.make_store()
        store.add(make_record("low", priority=0, ready_at=NOW))
        store.add(make_record("soon", priority=10, ready_at=NOW + 10 * AGEING - 0.5))
        store.add(make_record("late", priority=10, ready_at=NOW + 10 * AGEING + 0.5))
        assert claim_ids(store) == ["soon", "low", "late"]

    def test_has_ready_is_true_while_there_is_something(self) -> None:
        """`has_ready` never says no while `claim` would find a task, and says no at the end."""
        store = self.make_store()
        assert not store.has_ready(THREAD)
        for number in range(3):
            store.add(make_record(str(number), priority=number))
        for _ in range(3):
            assert store.has_ready(THREAD)
            claim_one(store)
        assert store.claim(THREAD, NOW) is None
        assert not store.has_ready(THREAD)

    # -- finish -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_finish_writes_the_ending(self, status: TaskStatus) -> None:
        """Each ending leads to its state, with the value or the error and the time."""
        store = self.make_store()
        store.add(make_record("a"))
        assert store.finish(claim_one(store), 1, ENDINGS[status], NOW + 5)
        ended = store.get("a")
        assert ended is not None
        assert (ended.status, ended.finished_at) == (status, NOW + 5)
        assert ended.result == (42 if status is TaskStatus.COMPLETED else None)
        failed = status is TaskStatus.FAILED
        assert (ended.error, ended.traceback) == (
            (FAILED.error, FAILED.traceback) if failed else (None, None)
        )

    def test_finish_writes_why_a_result_was_omitted(self) -> None:
        """A value that could not be kept leaves its reason."""
        store = self.make_store()
        store.add(make_record("a"))
        store.finish(claim_one(store), 1, Completed(None, "too big"), NOW)
        ended = store.get("a")
        assert ended is not None
        assert (ended.status, ended.result_omitted) == (TaskStatus.COMPLETED, "too big")

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_the_first_ending_stands(self, status: TaskStatus) -> None:
        """A second ending of the same attempt is refused and changes nothing."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        store.finish(record, 1, ENDINGS[status], NOW)
        before = store.count()
        for ending in (*ENDINGS.values(), Again("late", "", 0.0)):
            assert store.finish(record, 1, ending, NOW + 9) is False
        assert status_of(store, "a") is status
        assert store.count() == before

    def test_an_old_attempt_cannot_end_a_new_one(self) -> None:
        """While the second attempt runs, an ending of the first is refused."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        store.finish(record, 1, Again("once", "", 1.0), NOW)
        store.release(1.0, NOW)
        again = claim_one(store)
        assert again.attempt == 2
        assert store.finish(record, 1, Completed("late"), NOW) is False
        assert status_of(store, "a") is RUNNING
        assert store.finish(again, 2, Completed("right"), NOW)

    def test_a_waiting_task_cannot_be_finished(self) -> None:
        """An ending for a task that waits for its next attempt is refused."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        store.finish(record, 1, Again("once", "", 5.0), NOW)
        assert store.finish(record, 1, Completed("late"), NOW) is False
        assert status_of(store, "a") is PENDING

    def test_again_waits_for_its_time(self) -> None:
        """`Again` makes the task PENDING, to be claimed from its due time on, one attempt higher."""
        store = self.make_store()
        store.add(make_record("a", retries=1))
        assert store.finish(claim_one(store), 1, Again("ValueError: once", "", 5.0), NOW)
        assert status_of(store, "a") is PENDING
        assert store.claim(THREAD, NOW) is None
        store.release(4.9, NOW)
        assert store.claim(THREAD, NOW) is None
        store.release(5.0, NOW)
        assert claim_one(store).attempt == 2

    def test_again_is_never_refused(self) -> None:
        """A retry finds its place in a full store, and still counts there."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        record = claim_one(store)
        store.add(make_record("b"))
        assert store.finish(record, 1, Again("once", "", 5.0), NOW)
        assert store.count()[PENDING] == 2
        with pytest.raises(QueueFull):
            store.add(make_record("c"))

    # -- cancel -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("due", [None, 5.0])
    def test_a_cancelled_task_never_runs(self, due: float | None) -> None:
        """Cancelling a waiting or delayed task ends it; it is neither claimed nor released afterwards."""
        store = self.make_store()
        store.add(make_record("a", due=due))
        assert store.cancel("a", NOW + 1) is Cancellation.DONE
        ended = store.get("a")
        assert ended is not None
        assert (ended.status, ended.finished_at) == (TaskStatus.CANCELLED, NOW + 1)
        store.release(10.0, NOW)
        assert store.claim(THREAD, NOW) is None
        assert status_of(store, "a") is TaskStatus.CANCELLED

    def test_a_running_task_is_asked(self) -> None:
        """Cancelling a running task only marks it; whatever it then does is its ending."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        assert store.cancel("a", NOW) is Cancellation.REQUESTED
        marked = store.get("a")
        assert marked is not None
        assert (marked.status, marked.cancel_requested) == (RUNNING, True)
        assert record.cancel_requested
        assert store.finish(record, 1, Completed("anyway"), NOW)
        assert status_of(store, "a") is TaskStatus.COMPLETED

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_an_ended_task_stays_as_it_is(self, status: TaskStatus) -> None:
        """Cancelling an ended task answers None and changes nothing."""
        store = self.make_store()
        store.add(make_record("a"))
        store.finish(claim_one(store), 1, ENDINGS[status], NOW)
        assert store.cancel("a", NOW + 9) is None
        ended = store.get("a")
        assert ended is not None
        assert (ended.status, ended.finished_at, ended.cancel_requested) == (status, NOW, False)

    def test_an_unknown_task_cannot_be_cancelled(self) -> None:
        """Cancelling an id that nobody added answers None."""
        assert self.make_store().cancel("nobody", NOW) is None

    def test_a_retry_can_be_cancelled(self) -> None:
        """A task that waits for its next attempt is a waiting task."""
        store = self.make_store()
        store.add(make_record("a"))
        store.finish(claim_one(store), 1, Again("once", "", 5.0), NOW)
        assert store.cancel("a", NOW) is Cancellation.DONE
        store.release(9.0, NOW)
        assert store.claim(THREAD, NOW) is None
