"""The store in this process's memory: objects as they are, gone when the process ends."""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Concatenate, ParamSpec, TypeVar, assert_never

from hypern.errors import QueueFull
from hypern.records import (
    Again,
    Attempt,
    Cancelled,
    Completed,
    Ending,
    Failed,
    Lane,
    Progress,
    TaskRecord,
    TaskStatus,
)
from hypern.stores.base import ATTEMPTS_KEPT, EXPIRED, Cancellation, Listener, QueueState, Store
from hypern.stores.keys import UniqueKeys
from hypern.stores.lines import Lines
from hypern.stores.pace import Pace, turn
from hypern.stores.ready import ReadyQueue
from hypern.stores.retention import Retention
from hypern.stores.schedule import Schedule, may_expire
from hypern.threads import Mutex

P = ParamSpec("P")
R = TypeVar("R")

# Bound once: reading a member from its enum class costs as much as the rest of a line.
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
LANES = tuple(Lane)
COMPLETED, FAILED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED

# Cancelled tasks stay in their queue until it is their turn; above this many, and above half of a
# queue, they are swept out of it.
_SWEEP_AT = 1000

# So many delayed tasks fall due under one hold of the lock; submitting must not wait for a million.
_RELEASE_AT_ONCE = 500


def _locked(
    verb: Callable[Concatenate[MemoryStore, P], R],
) -> Callable[Concatenate[MemoryStore, P], R]:
    """Do all of a verb with the lock held; those that every task passes through spell it out."""

    @functools.wraps(verb)
    def with_the_lock(store: MemoryStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        store._lock.acquire()
        try:
            return verb(store, *args, **kwargs)
        finally:
            store._lock.release()

    return with_the_lock


class MemoryStore(Store):
    """`capacity`: the most tasks that may be PENDING. `keep`, `keep_seconds`: ended tasks are kept at
    most this many and this long; the oldest go first, by number at once, by age at `prune`."""

    def __init__(self, capacity: int = 1000, keep: int = 10_000, keep_seconds: float = 3600.0) -> None:
        self._capacity = capacity
        self._lock = Mutex()
        self._listener: Listener | None = None
        self._records: dict[str, TaskRecord] = {}
        self._lines = Lines()
        self._keys = UniqueKeys()
        self._paces: dict[str, Pace] = {}
        # The place among the starts of their task of those that have been put back until it comes.
        self._places: dict[str, float] = {}
        self._delayed = Schedule()
        self._expiring = Schedule()
        self._retention = Retention(keep, keep_seconds)
        self._cancelled_in_queue = 0
        self._pending = 0
        self._running = 0

    def attach(self, listener: Listener) -> None:
        self._listener = listener

    def add(self, record: TaskRecord) -> str | None:
        self._lock.acquire()
        try:
            if record.id in self._records:
                return record.id
            if record.unique_key is not None and (holder := self._keys.holder(record)) is not None:
                return holder
            if self._pending >= self._capacity:
                raise QueueFull(self._capacity)
            self._keep_new(record)
            return None
        finally:
            self._lock.release()

    @_locked
    def add_many(self, records: Sequence[TaskRecord]) -> list[str | None]:
        # Two that stand for one another may be in the same batch.
        keys: dict[str, str] = {}
        new: dict[str, TaskRecord] = {}
        answers: list[str | None] = []
        for record in records:
            known = record.id in self._records or record.id in new
            key = record.unique_key
            answer = record.id if known else self._keys.holder(record) or keys.get(key or "")
            if answer is None:
                new[record.id] = record
                if key is not None:
                    keys[key] = record.id
            answers.append(answer)
        if new and self._pending + len(new) > self._capacity:
            raise QueueFull(self._capacity)
        for record in new.values():
            self._keep_new(record)
        return answers

    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        self._lock.acquire()
        try:
            lines = self._lines
            while (record := lines.pop(lane)) is not None:
                if record.status is PENDING:
                    self._pending -= 1
                    self._running += 1
                    record.status = RUNNING
                    record.attempt += 1
                    record.fence += 1
                    record.started_at = wall
                    if lines.limited:
                        lines.queue(record.spec.queue).running += 1
                    return record
                self._cancelled_in_queue -= 1
            return None
        finally:
            self._lock.release()

    def has_ready(self, lane: Lane) -> bool:
        return self._lines.has(lane)

    def admit(self, record: TaskRecord, fence: int, steady: float, wall: float) -> bool:
        rate = record.spec.rules.rate
        if rate is None:
            return True
        self._lock.acquire()
        try:
            if record.status is not RUNNING or record.fence != fence:
                return True
            mine = self._places.pop(record.id, None)
            its_turn = turn(self._paces.get(record.name), mine, rate, steady)
            self._paces[record.name] = its_turn.pace
            if its_turn.due is None:
                return True
            if its_turn.mine is not None:
                self._places[record.id] = its_turn.mine
            record.attempt -= 1
            if not record.attempt:
                record.started_at = 0.0
            if record.expires_at is not None:
                # Its entry may have come up while the task was thought to run.
                self._expiring.add(record.expires_at, record)
            self._put_back(record, its_turn.due)
        finally:
            self._lock.release()
        self._room_in_a_queue()
        return False

    def finish(self, record: TaskRecord, fence: int, ending: Ending, wall: float) -> bool:
        self._lock.acquire()
        try:
            if record.status is not RUNNING or record.fence != fence:
                return False
            match ending:
                case Completed():
                    record.status = COMPLETED
                    record.result = ending.value
                    record.result_omitted = ending.omitted
                case Failed():
                    record.status = FAILED
                    record.error, record.traceback = ending.error, ending.traceback
                    self._remember(record, ending, wall)
                case Cancelled():
                    record.status = CANCELLED
                    record.reason = ending.reason
                case Again():
                    record.error, record.traceback = ending.error, ending.traceback
                    record.progress = None
                    # It has been started, so it does not expire any more.
                    record.expires_at = None
                    if ending.counts:
                        self._remember(record, ending, wall)
                    else:
                        record.attempt -= 1
                    self._put_back(record, ending.due)
                    return True
                case _:
                    assert_never(ending)
            self._stop_running(record)
            self._end(record, wall)
            return True
        finally:
            self._lock.release()
            self._room_in_a_queue()

    @_locked
    def cancel(self, task_id: str, wall: float, reason: str | None = None) -> Cancellation | None:
        record = self._records.get(task_id)
        if record is None:
            return None
        if record.status is RUNNING:
            record.cancel_requested = True
            return Cancellation.REQUESTED
        if record.status is not PENDING:
            return None
        self._cancel_waiting(record, wall, reason)
        return Cancellation.DONE

    @_locked
    def report(self, record: TaskRecord, fence: int, progress: Progress) -> bool:
        if record.status is not RUNNING or record.fence != fence:
            return False
        record.progress = progress
        return True

    @_locked
    def release(self, steady: float, wall: float) -> Collection[Lane]:
        for record in self._expiring.due(steady, _RELEASE_AT_ONCE):
            if may_expire(record):
                self._cancel_waiting(record, wall, EXPIRED)
        lanes = set()
        for record in self._delayed.due(steady, _RELEASE_AT_ONCE):
            if record.status is not PENDING:
                self._cancelled_in_queue -= 1
                continue
            record.due = None
            record.ready_at = wall
            self._lines.push(record)
            lanes.add(record.spec.lane)
        return lanes

    @_locked
    def next_due(self) -> float | None:
        while (entry := self._expiring.first()) is not None and not may_expire(entry[1]):
            self._expiring.drop_first()
        due = self._earliest()
        if entry is None:
            return due
        return entry[0] if due is None else min(due, entry[0])

    @_locked
    def prune(self, wall: float) -> int:
        forgotten = 0
        for record in self._retention.expired(wall):
            del self._records[record.id]
            forgotten += 1
        self._keys.prune(wall)
        self._lines.prune()
        if len(self._expiring) > max(_SWEEP_AT, 2 * self._pending):
            self._expiring.sweep()
        return forgotten

    @_locked
    def get(self, task_id: str) -> TaskRecord | None:
        record = self._records.get(task_id)
        return None if record is None else copy.copy(record)

    @_locked
    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        return [copy.copy(record) for record in self._records.values() if record.status in statuses]

    @_locked
    def count(self) -> dict[TaskStatus, int]:
        ended = Counter(record.status for record in self._retention.records())
        return {
            PENDING: self._pending,
            RUNNING: self._running,
            **{status: ended[status] for status in (COMPLETED, FAILED, CANCELLED)},
        }

    @_locked
    def idle(self, steady: float) -> bool:
        due = self._earliest()
        if self._running or (due is not None and due <= steady):
            return False
        return not any(
            self._waits(ready)
            for queue in self._lines.queues.values()
            if not queue.paused
            for ready in (queue.thread, queue.loop)
        )

    def is_busy(self) -> bool:
        return self._running > 0

    @_locked
    def queues(self) -> list[QueueState]:
        return self._lines.states(self._records.values())

    def set_queue(self, name: str, *, paused: bool | None = None, limit: int | None = None) -> None:
        self._lock.acquire()
        try:
            running = [record for record in self._records.values() if record.status is RUNNING]
            self._lines.change(name, paused, limit, running)
        finally:
            self._lock.release()
        if self._listener is not None:
            self._listener.on_ready(LANES)

    @_locked
    def ahead(self, record: TaskRecord) -> int:
        kept = self._records.get(record.id)
        if kept is None or kept.status is not PENDING or kept.due is not None:
            return 0
        return self._lines.queue(kept.spec.queue).lane(kept.spec.lane).before(kept)

    def _room_in_a_queue(self) -> None:
        """A task runs no more; the other lane may have tasks that waited for that."""
        if self._lines.limited and self._listener is not None:
            self._listener.on_ready(LANES)

    # -- with the lock held ------------------------------------------------------------------------

    def _keep_new(self, record: TaskRecord) -> None:
        self._records[record.id] = record
        self._pending += 1
        if record.due is None:
            self._lines.push(record)
        else:
            self._delayed.add(record.due, record)
        if record.unique_key is not None:
            self._keys.take(record)
        if record.expires_at is not None:
            self._expiring.add(record.expires_at, record)

    def _put_back(self, record: TaskRecord, due: float) -> None:
        record.status = PENDING
        record.due = due
        self._stop_running(record)
        self._pending += 1
        self._delayed.add(due, record)

    def _stop_running(self, record: TaskRecord) -> None:
        self._running -= 1
        if self._lines.limited:
            self._lines.queue(record.spec.queue).running -= 1

    # Both drop the cancelled tasks that they meet in front.

    def _earliest(self) -> float | None:
        """When the first delayed task is due."""
        while (entry := self._delayed.first()) is not None and entry[1].status is not PENDING:
            self._delayed.drop_first()
            self._cancelled_in_queue -= 1
        return None if entry is None else entry[0]

    def _waits(self, queue: ReadyQueue) -> bool:
        """Whether a task of this lane could start now."""
        while (record := queue.peek()) is not None and record.status is not PENDING:
            queue.pop()
            self._cancelled_in_queue -= 1
        return record is not None

    def _cancel_waiting(self, record: TaskRecord, wall: float, reason: str | None) -> None:
        record.status = CANCELLED
        record.reason = reason
        self._pending -= 1
        self._cancelled_in_queue += 1
        self._end(record, wall)
        self._sweep()

    def _remember(self, record: TaskRecord, ending: Failed | Again, wall: float) -> None:
        attempt = Attempt(record.attempt, record.started_at, wall, ending.error, ending.traceback)
        record.history = (*record.history, attempt)[-ATTEMPTS_KEPT:]

    def _end(self, record: TaskRecord, wall: float) -> None:
        record.finished_at = wall
        record.context = None
        if self._places:
            self._places.pop(record.id, None)
        if record.unique_key is not None:
            self._keys.ended(record)
        forgotten = self._retention.add(record)
        if forgotten is not None:
            del self._records[forgotten.id]

    def _sweep(self) -> None:
        waiting = self._pending + self._cancelled_in_queue
        if self._cancelled_in_queue < _SWEEP_AT or self._cancelled_in_queue * 2 < waiting:
            return
        self._delayed.sweep()
        self._expiring.sweep()
        for ready in self._lines.ready():
            ready.compact()
        self._cancelled_in_queue = 0
