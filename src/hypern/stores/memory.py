"""The store in this process's memory: objects as they are, gone when the process ends."""

from __future__ import annotations

import copy
import functools
import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Concatenate, ParamSpec, TypeVar, assert_never

from hypern.errors import QueueFull
from hypern.records import (
    Again,
    Cancelled,
    Completed,
    Ending,
    Failed,
    Lane,
    Progress,
    TaskRecord,
    TaskStatus,
)
from hypern.stores.base import Cancellation, Store
from hypern.stores.ready import ReadyQueue
from hypern.threads import Mutex

P = ParamSpec("P")
R = TypeVar("R")

# Bound once: reading a member from its enum class costs as much as the rest of a line.
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
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
        self._keep = keep
        self._keep_seconds = keep_seconds
        self._lock = Mutex()
        self._records: dict[str, TaskRecord] = {}
        self._ready = {lane: ReadyQueue() for lane in Lane}
        self._delayed: list[tuple[float, int, TaskRecord]] = []
        self._delayed_added = 0
        self._ended: deque[TaskRecord] = deque()
        self._cancelled_in_queue = 0
        self._pending = 0
        self._running = 0

    def add(self, record: TaskRecord) -> bool:
        self._lock.acquire()
        try:
            if record.id in self._records:
                return False
            if self._pending >= self._capacity:
                raise QueueFull(self._capacity)
            self._records[record.id] = record
            self._pending += 1
            if record.due is None:
                self._ready[record.lane].push(record)
            else:
                self._delay(record)
            return True
        finally:
            self._lock.release()

    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        self._lock.acquire()
        try:
            while (record := self._ready[lane].pop()) is not None:
                if record.status is PENDING:
                    self._pending -= 1
                    self._running += 1
                    record.status = RUNNING
                    record.attempt += 1
                    record.started_at = wall
                    return record
                self._cancelled_in_queue -= 1
            return None
        finally:
            self._lock.release()

    def has_ready(self, lane: Lane) -> bool:
        return bool(self._ready[lane])

    def finish(self, record: TaskRecord, attempt: int, ending: Ending, wall: float) -> bool:
        self._lock.acquire()
        try:
            if record.status is not RUNNING or record.attempt != attempt:
                return False
            self._running -= 1
            match ending:
                case Completed():
                    record.status = COMPLETED
                    record.result = ending.value
                    record.result_omitted = ending.omitted
                case Failed():
                    record.status = FAILED
                    record.error, record.traceback = ending.error, ending.traceback
                case Cancelled():
                    record.status = CANCELLED
                case Again():
                    record.status = PENDING
                    record.error, record.traceback = ending.error, ending.traceback
                    record.due = ending.due
                    record.progress = None
                    self._pending += 1
                    self._delay(record)
                    return True
                case _:
                    assert_never(ending)
            self._end(record, wall)
            return True
        finally:
            self._lock.release()

    @_locked
    def cancel(self, task_id: str, wall: float) -> Cancellation | None:
        record = self._records.get(task_id)
        if record is None:
            return None
        if record.status is RUNNING:
            record.cancel_requested = True
            return Cancellation.REQUESTED
        if record.status is not PENDING:
            return None
        record.status = CANCELLED
        self._pending -= 1
        self._cancelled_in_queue += 1
        self._end(record, wall)
        self._sweep()
        return Cancellation.DONE

    @_locked
    def report(self, record: TaskRecord, attempt: int, progress: Progress) -> bool:
        if record.status is not RUNNING or record.attempt != attempt:
            return False
        record.progress = progress
        return True

    @_locked
    def release(self, steady: float, wall: float) -> Collection[Lane]:
        lanes = set()
        delayed = self._delayed
        for _ in range(_RELEASE_AT_ONCE):
            if not delayed or delayed[0][0] > steady:
                break
            record = heapq.heappop(delayed)[2]
            if record.status is not PENDING:
                self._cancelled_in_queue -= 1
                continue
            record.due = None
            record.ready_at = wall
            self._ready[record.lane].push(record)
            lanes.add(record.lane)
        return lanes

    @_locked
    def next_due(self) -> float | None:
        return self._earliest()

    @_locked
    def prune(self, wall: float) -> int:
        forgotten = 0
        while self._ended and self._ended[0].finished_at + self._keep_seconds <= wall:
            self._forget_oldest()
            forgotten += 1
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
        ended = Counter(record.status for record in self._ended)
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
        return not any(self._waits(queue) for queue in self._ready.values())

    # -- with the lock held ------------------------------------------------------------------------

    def _delay(self, record: TaskRecord) -> None:
        self._delayed_added += 1
        heapq.heappush(self._delayed, (record.due or 0.0, self._delayed_added, record))

    # Both drop the cancelled tasks that they meet in front.

    def _earliest(self) -> float | None:
        """When the first delayed task is due."""
        delayed = self._delayed
        while delayed and delayed[0][2].status is not PENDING:
            heapq.heappop(delayed)
            self._cancelled_in_queue -= 1
        return delayed[0][0] if delayed else None

    def _waits(self, queue: ReadyQueue) -> bool:
        """Whether a task of this lane could start now."""
        while (record := queue.peek()) is not None and record.status is not PENDING:
            queue.pop()
            self._cancelled_in_queue -= 1
        return record is not None

    def _end(self, record: TaskRecord, wall: float) -> None:
        record.finished_at = wall
        record.context = None
        self._ended.append(record)
        if len(self._ended) > self._keep:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        record = self._ended.popleft()
        del self._records[record.id]

    def _sweep(self) -> None:
        waiting = self._pending + self._cancelled_in_queue
        if self._cancelled_in_queue < _SWEEP_AT or self._cancelled_in_queue * 2 < waiting:
            return
        self._delayed = [entry for entry in self._delayed if entry[2].status is PENDING]
        heapq.heapify(self._delayed)
        for queue in self._ready.values():
            queue.compact()
        self._cancelled_in_queue = 0
