"""What a memory store holds, and how a task moves about in it. With the lock of the store held."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from hypern.records import Again, Attempt, Failed, TaskRecord, TaskStatus
from hypern.stores.base import ATTEMPTS_KEPT, Listener
from hypern.stores.keys import UniqueKeys
from hypern.stores.lines import Lines
from hypern.stores.logs import Logs
from hypern.stores.pace import Pace
from hypern.stores.pulse import Pulse
from hypern.stores.ready import ReadyQueue
from hypern.stores.retention import Retention
from hypern.stores.schedule import Schedule
from hypern.threads import Mutex

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="MemoryState")

PENDING, RUNNING, CANCELLED = TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.CANCELLED

# Cancelled tasks stay in their queue until it is their turn; above this many, and above half of a
# queue, they are swept out of it.
SWEEP_AT = 1000


def locked(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Do all of a verb with the lock held; those that every task passes through spell it out."""

    @functools.wraps(verb)
    def with_the_lock(store: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        store._lock.acquire()
        try:
            return verb(store, *args, **kwargs)
        finally:
            store._lock.release()

    return with_the_lock


class MemoryState:
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
        # Entries of queues and schedules that stand for nothing any more.
        self._cancelled_in_queue = 0
        self._pending = 0
        self._running = 0
        self._pruned = Counter[str]()
        self._logs = Logs()
        # Counted only once somebody has asked.
        self._pulse: Pulse | None = None

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
        while (entry := self._delayed.first()) is not None and not waits_until(*entry):
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
        if self._pulse is not None and isinstance(ending, Again):
            self._pulse.tally(record.name, wall).count(PENDING)

    def _end(self, record: TaskRecord, wall: float) -> None:
        record.finished_at = wall
        record.context = None
        if self._places:
            self._places.pop(record.id, None)
        if record.unique_key is not None:
            self._keys.ended(record)
        if self._pulse is not None:
            count_end(self._pulse, record)
        forgotten = self._retention.add(record)
        if forgotten is not None:
            self._forget(forgotten)

    def _counted(self) -> Pulse:
        if self._pulse is None:
            self._pulse = Pulse()
            for record in self._retention.records():
                count_end(self._pulse, record)
        return self._pulse

    def _heads(self) -> dict[str, float]:
        """Since when the next task of each queue has been waiting."""
        heads = {}
        for queue in self._lines.queues.values():
            firsts = [ready.peek() for ready in (queue.thread, queue.loop) if self._waits(ready)]
            if firsts:
                heads[queue.name] = min(first.ready_at for first in firsts if first is not None)
        return heads

    def _forget(self, record: TaskRecord) -> None:
        del self._records[record.id]
        self._pruned[record.spec.queue] += 1
        self._logs.forget(record.id)

    def _sweep(self) -> None:
        waiting = self._pending + self._cancelled_in_queue
        if self._cancelled_in_queue < SWEEP_AT or self._cancelled_in_queue * 2 < waiting:
            return
        self._delayed.sweep()
        self._expiring.sweep()
        for ready in self._lines.ready():
            ready.compact()
        self._cancelled_in_queue = 0


def waits_until(moment: float, record: TaskRecord) -> bool:
    """Whether a delayed task still waits for the moment that it is entered under."""
    return record.status is PENDING and record.due == moment


def count_end(pulse: Pulse, record: TaskRecord) -> None:
    tally = pulse.tally(record.name, record.finished_at)
    tally.count(record.status)
    if record.started_at:
        tally.measure(record.started_at - record.ready_at, record.finished_at - record.started_at)
