"""The contract of a task store: what each verb does, when it is atomic, what it answers for the unknown."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Collection

from hypern.records import Ending, Lane, Progress, TaskRecord, TaskStatus


class Cancellation(enum.Enum):
    """What `cancel` found: the task was waiting and is CANCELLED now, or it runs and has been asked."""

    DONE = "done"
    REQUESTED = "requested"


class Store(ABC):
    """Keeps every task from `add` until retention lets it go.

    Every verb may be called from any thread and is atomic: no reader sees half of it. A task is in
    exactly one state, changes only along `records.TRANSITIONS`, and a terminal state never changes.
    "Now" is always passed in (`wall`, `steady`: seconds of `clock.Clock`), so that a store has no clock.
    """

    @abstractmethod
    def add(self, record: TaskRecord) -> bool:
        """Keep a PENDING task. After the return it is not lost while the store lives.

        False: its id is already known; nothing was added and nothing changed. Raises QueueFull
        (nothing was added) when as many tasks are PENDING as the store may hold.
        """

    @abstractmethod
    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        """Take the next waiting task of a lane and set it RUNNING, `attempt` one higher; None: there is none.

        No two calls ever return the same attempt. Order: higher priority first, then earlier due, then
        earlier added; one point of priority is worth `AGEING` seconds of waiting, so nothing starves.
        Nobody but the store writes to the returned record.
        """

    @abstractmethod
    def has_ready(self, lane: Lane) -> bool:
        """Whether `claim` may find something in this lane. False only if there was nothing."""

    @abstractmethod
    def finish(self, record: TaskRecord, attempt: int, ending: Ending, wall: float) -> bool:
        """End an attempt at a claimed task. False, and nothing is changed, unless this very attempt is
        RUNNING: a late or doubled ending is refused, the first one stands.

        `Again` sets it PENDING until its due time, and is never refused for want of room.
        """

    @abstractmethod
    def cancel(self, task_id: str, wall: float) -> Cancellation | None:
        """Cancel a waiting task, which then never runs; or mark a running one `cancel_requested`.
        None: unknown or already ended, nothing was changed."""

    @abstractmethod
    def report(self, record: TaskRecord, attempt: int, progress: Progress) -> bool:
        """Write down how far a running attempt is. False unless this very attempt is RUNNING."""

    @abstractmethod
    def release(self, steady: float, wall: float) -> Collection[Lane]:
        """Let delayed tasks whose due time has come wait for a worker. The lanes that got some.

        A call may stop before all are through; `next_due` then still lies in the past.
        """

    @abstractmethod
    def next_due(self) -> float | None:
        """The steady-clock second at which `release` has something to do next; None: never."""

    @abstractmethod
    def prune(self, wall: float) -> int:
        """Forget ended tasks that are older than retention keeps them. How many were forgotten.

        A task that has not ended is never forgotten.
        """

    @abstractmethod
    def get(self, task_id: str) -> TaskRecord | None:
        """A copy of the record that changes no more, or None for an id that is not (or no longer) kept."""

    @abstractmethod
    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        """Copies of all records in one of these states, in the order in which they were added."""

    @abstractmethod
    def count(self) -> dict[TaskStatus, int]:
        """How many tasks are kept in each state; every state has an entry."""

    @abstractmethod
    def idle(self, steady: float) -> bool:
        """Nothing runs and nothing is due at `steady` (delayed tasks may be waiting for their time)."""


# Seconds of waiting that one point of priority is worth: a task of priority 10 overtakes those of
# priority 0 that were submitted up to ten seconds before it, and no older ones.
AGEING = 1.0
