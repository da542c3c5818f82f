"""The store in this process's memory: objects as they are, gone when the process ends."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from typing import assert_never

from hypern.errors import QueueFull
from hypern.records import (
    TERMINAL,
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
from hypern.stores import listing
from hypern.stores.base import EXPIRED, Cancellation, Listener, QueueState, Store
from hypern.stores.memory_state import SWEEP_AT, MemoryState, locked, waits_until
from hypern.stores.overview import Filter, Ids, LogLine, QueueTotals, Vitals
from hypern.stores.pace import turn
from hypern.stores.pulse import Beat
from hypern.stores.schedule import may_expire

# Bound once: reading a member from its enum class costs as much as the rest of a line.
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
LANES = tuple(Lane)
COMPLETED, FAILED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED

# So many delayed tasks fall due under one hold of the lock; submitting must not wait for a million.
_RELEASE_AT_ONCE = 500


class MemoryStore(MemoryState, Store):
    """`capacity`: the most tasks that may be PENDING. `keep`, `keep_seconds`: ended tasks are kept at
    most this many and this long; the oldest go first, by number at once, by age at `prune`."""

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

    @locked
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

    @locked
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

    @locked
    def report(self, record: TaskRecord, fence: int, progress: Progress) -> bool:
        if record.status is not RUNNING or record.fence != fence:
            return False
        record.progress = progress
        return True

    @locked
    def release(self, steady: float, wall: float) -> Collection[Lane]:
        for _, record in self._expiring.due(steady, _RELEASE_AT_ONCE):
            if may_expire(record):
                self._cancel_waiting(record, wall, EXPIRED)
        lanes = set()
        for moment, record in self._delayed.due(steady, _RELEASE_AT_ONCE):
            if not waits_until(moment, record):
                self._cancelled_in_queue -= 1
                continue
            record.due = None
            record.ready_at = wall
            self._lines.push(record)
            lanes.add(record.spec.lane)
        return lanes

    @locked
    def next_due(self) -> float | None:
        while (entry := self._expiring.first()) is not None and not may_expire(entry[1]):
            self._expiring.drop_first()
        due = self._earliest()
        if entry is None:
            return due
        return entry[0] if due is None else min(due, entry[0])

    @locked
    def prune(self, wall: float) -> int:
        forgotten = 0
        for record in self._retention.expired(wall):
            self._forget(record)
            forgotten += 1
        if self._pulse is not None:
            self._pulse.fold(wall)
        self._keys.prune(wall)
        self._lines.prune()
        if len(self._expiring) > max(SWEEP_AT, 2 * self._pending):
            self._expiring.sweep()
        return forgotten

    @locked
    def get(self, task_id: str) -> TaskRecord | None:
        record = self._records.get(task_id)
        return None if record is None else copy.copy(record)

    @locked
    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        return [copy.copy(record) for record in self._records.values() if record.status in statuses]

    @locked
    def count(self) -> dict[TaskStatus, int]:
        ended = Counter(record.status for record in self._retention.records())
        return {
            PENDING: self._pending,
            RUNNING: self._running,
            **{status: ended[status] for status in (COMPLETED, FAILED, CANCELLED)},
        }

    @locked
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

    @locked
    def queues(self) -> list[QueueState]:
        return self._lines.states(self._records.values())

    def set_queue(self, name: str, *, paused: bool | None = None, limit: int | None = None) -> None:
        self._change_queue(name, paused, limit)
        if self._listener is not None:
            self._listener.on_ready(LANES)

    @locked
    def _change_queue(self, name: str, paused: bool | None, limit: int | None) -> None:
        running = [record for record in self._records.values() if record.status is RUNNING]
        self._lines.change(name, paused, limit, running)

    @locked
    def ahead(self, record: TaskRecord) -> int:
        kept = self._records.get(record.id)
        if kept is None or kept.status is not PENDING or kept.due is not None:
            return 0
        return self._lines.queue(kept.spec.queue).lane(kept.spec.lane).before(kept)

    # -- seeing and steering -----------------------------------------------------------------------

    def ids(self, which: Filter, after: str | None = None, limit: int = 50) -> Ids:
        return listing.ids(self._all()[0], which, after, limit)

    def totals(self) -> list[QueueTotals]:
        return listing.totals(*self._all())

    @locked
    def _all(self) -> tuple[list[TaskRecord], Counter[str]]:
        # Looked through without the lock: a million of them would hold up everybody else.
        return list(self._records.values()), self._pruned.copy()

    @locked
    def pulse(self, since: float, name: str | None = None) -> list[Beat]:
        return self._counted().since(since, name)

    @locked
    def vitals(self) -> Vitals:
        return Vitals(self._counted().ever(), self._heads())

    @locked
    def log(self, record: TaskRecord, fence: int, lines: Sequence[LogLine]) -> None:
        if record.status is RUNNING and record.fence == fence:
            self._logs.keep(record.id, lines)

    @locked
    def logs(self, task_id: str) -> list[LogLine]:
        return self._logs.of(task_id)

    def again(self, task_id: str, new_id: str, steady: float, wall: float) -> str | None:
        former = self._records.get(task_id)
        if former is None or former.status not in TERMINAL:
            return None
        record = TaskRecord(
            new_id, former.spec, former.args, former.kwargs, wall, None, None, wall,
            unique_key=former.unique_key, origin=task_id, trail=former.trail,
        )  # fmt: skip
        if former.spec.rules.expires is not None:
            record.expires_at = steady + former.spec.rules.expires
        return self.add(record) or new_id

    @locked
    def hasten(self, task_id: str, steady: float, wall: float) -> bool:
        record = self._records.get(task_id)
        if record is None or record.status is not PENDING or record.due is None:
            return False
        record.due = None
        record.ready_at = wall
        self._cancelled_in_queue += 1
        self._lines.push(record)
        return True

    @locked
    def delete(self, task_ids: Collection[str]) -> int:
        ended = [record for task_id in set(task_ids) if (record := self._records.get(task_id)) is not None]
        ended = [record for record in ended if record.status in TERMINAL]
        self._retention.remove(ended)
        for record in ended:
            self._forget(record)
        return len(ended)

    def _room_in_a_queue(self) -> None:
        """A task runs no more; the other lane may have tasks that waited for that."""
        if self._lines.limited and self._listener is not None:
            self._listener.on_ready(LANES)
