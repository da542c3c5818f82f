"""The contract of a task store: what each verb does, when it is atomic, what it answers for the unknown."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from hypern.errors import InvalidOption
from hypern.records import Ending, Lane, Progress, TaskRecord, TaskStatus
from hypern.stores.overview import LogLine, Overview


class Cancellation(enum.Enum):
    """What `cancel` found: the task was waiting and is CANCELLED now, or it runs and has been asked."""

    DONE = "done"
    REQUESTED = "requested"


class QueueState(msgspec.Struct, frozen=True):
    """One queue. `limit`: the most of its tasks that may run at once, None: any number."""

    name: str
    paused: bool
    limit: int | None
    waiting: int
    delayed: int
    running: int


class WorkerState(msgspec.Struct, frozen=True):
    """A living process that runs tasks. `id`: its random name; `queues`: it serves only these, None: all;
    `workers`: its threads; `unknown`: names of tasks whose functions it does not find."""

    id: str
    pid: int
    host: str
    started_at: float
    queues: tuple[str, ...] | None
    workers: int
    unknown: tuple[str, ...] = ()


class Listener(Protocol):
    """Who works on a store's tasks, and is told by it what he could not know otherwise.

    `on_finished`: an ending that `finish` left open (it answered None) has been recorded, or refused.
    `on_ready`: there may be new work in these lanes. `on_cancel_requested`: these running tasks have been
    asked to stop by another process. `on_due`: `release` has something to do at that steady-clock second.
    Each may be called from any thread and returns soon.
    """

    def on_finished(self, record: TaskRecord, ending: Ending, recorded: bool) -> None: ...
    def on_ready(self, lanes: Collection[Lane]) -> None: ...
    def on_cancel_requested(self, task_ids: Collection[str]) -> None: ...
    def on_due(self, moment: float) -> None: ...


class Store(Overview):
    """Keeps every task from `add` until retention lets it go.

    Every verb may be called from any thread and is atomic: no reader sees half of it. A task is in
    exactly one state, changes only along `records.TRANSITIONS`, and a terminal state never changes.
    "Now" is always passed in (`wall`, `steady`: seconds of `clock.Clock`), so that a store has no clock.

    `shared`: whether other processes may work on the same tasks. `watch` and `rescue` are for those.
    """

    shared = False

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        """This process is about to claim tasks, with so many threads, and from these queues (None: from
        all). Only shared stores need to know."""

    def attach(self, listener: Listener) -> None:
        """Tell `listener` from now on. There is at most one."""

    @abstractmethod
    def add(self, record: TaskRecord) -> str | None:
        """Keep a PENDING task. After the return it is not lost while the store lives.

        Not None: nothing was added, for the task of this id stands for it already: its id is known, or a
        task with the same `unique_key` waits, runs, or was submitted less than its `unique_for` ago.
        Raises QueueFull (nothing was added) when as many tasks are PENDING as the store may hold.
        """

    @abstractmethod
    def add_many(self, records: Sequence[TaskRecord]) -> list[str | None]:
        """`add` for each of them, all or none: an exception means that none was added."""

    def add_soon(self, record: TaskRecord, done: Callable[[str | None, BaseException | None], None]) -> None:
        """`add` for callers that must not wait: `done(answer, error)` is called when it is through, in any
        thread, perhaps before this returns."""
        try:
            answer = self.add(record)
        except Exception as error:
            done(None, error)
        else:
            done(answer, None)

    def add_within(self, record: TaskRecord, connection: object) -> str | None:
        """As `add`, in a transaction that the application has begun on a connection of its own: the task
        exists exactly if that commits.

        Raises InvalidOption where that is not possible, and what the connection raises.
        """
        raise _not_within()

    async def add_within_async(self, record: TaskRecord, connection: object) -> str | None:
        """The same, also for connections that have to be awaited."""
        raise _not_within()

    @abstractmethod
    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        """Take the next waiting task of a lane and set it RUNNING, `attempt` and `fence` one higher; None:
        there is none that may start.

        No two calls ever return the same fence of a task. Order: higher priority first, then earlier due,
        then earlier added; one point of priority is worth `AGEING` seconds of waiting, so nothing starves.
        Tasks of a paused queue, or of one whose limit is reached, stay where they are.
        Nobody but the store writes to the returned record.
        """

    @abstractmethod
    def has_ready(self, lane: Lane) -> bool:
        """Whether `claim` may find something in this lane. False only if there was nothing."""

    @abstractmethod
    def admit(self, record: TaskRecord, fence: int, steady: float, wall: float) -> bool:
        """For a claimed task with a `rate`: take its place among the starts of that task. False: it is too
        early; the task is PENDING again until its place comes, and the attempt does not count."""

    @abstractmethod
    def finish(self, record: TaskRecord, fence: int, ending: Ending, wall: float) -> bool | None:
        """End an attempt at a claimed task. False, and nothing is changed, unless this very claim is
        RUNNING: a late or doubled ending is refused, the first one stands. None: the store will record it
        soon and tell its listener.

        `Again` sets it PENDING until its due time, and is never refused for want of room.
        """

    def flush(self) -> None:
        """Return when every ending given to `finish` has been recorded or refused."""

    @abstractmethod
    def cancel(self, task_id: str, wall: float, reason: str | None = None) -> Cancellation | None:
        """Cancel a waiting task, which then never runs; or mark a running one `cancel_requested`.
        None: unknown or already ended, nothing was changed."""

    @abstractmethod
    def report(self, record: TaskRecord, fence: int, progress: Progress) -> bool:
        """Write down how far a running attempt is. False unless this very claim is RUNNING."""

    @abstractmethod
    def release(self, steady: float, wall: float) -> Collection[Lane]:
        """Let delayed tasks whose due time has come wait for a worker, cancel those that have expired. The
        lanes that got some.

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
    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        """Copies of all records in one of these states, in the order in which they were added."""

    @abstractmethod
    def count(self) -> dict[TaskStatus, int]:
        """How many tasks are kept in each state; every state has an entry."""

    @abstractmethod
    def idle(self, steady: float) -> bool:
        """Nothing runs here and nothing that could start is due at `steady`."""

    # -- steering ---------------------------------------------------------------------------------

    @abstractmethod
    def again(self, task_id: str, new_id: str, steady: float, wall: float) -> str | None:
        """Add a task with the function and the arguments of one that has ended, whose `origin` is that one.
        Its id: `new_id`, or that of the task which stands for it, as with `add`. None: that one is unknown or
        has not ended. Nothing is decoded, so it may be one that this process does not know.

        Raises QueueFull.
        """

    @abstractmethod
    def hasten(self, task_id: str, steady: float, wall: float) -> bool:
        """Let a delayed task wait for a worker now. False: it is none."""

    @abstractmethod
    def delete(self, task_ids: Collection[str]) -> int:
        """Forget tasks that have ended. How many of these had, and are forgotten."""

    @abstractmethod
    def log(self, record: TaskRecord, fence: int, lines: Sequence[LogLine]) -> None:
        """Keep lines that a claimed task wrote, soon; the last `LINES_KEPT` of a task."""

    # -- queues -----------------------------------------------------------------------------------

    @abstractmethod
    def queues(self) -> list[QueueState]:
        """Every queue that has tasks, is paused or has a limit, by name."""

    @abstractmethod
    def set_queue(self, name: str, *, paused: bool | None = None, limit: int | None = None) -> None:
        """Pause or resume a queue; set the most of its tasks that may run at once (0: no limit any more).
        None leaves a setting as it is. What runs goes on."""

    @abstractmethod
    def ahead(self, record: TaskRecord) -> int:
        """How many tasks of its lane and queue stand before this waiting one."""

    # -- for stores that several processes share ----------------------------------------------------

    def watch(self, steady: float, wall: float) -> float | None:
        """See what other processes have done and tell the listener. When to be called next (steady-clock
        second); None: there are no others."""
        return None

    def rescue(self, steady: float, wall: float) -> int:
        """Take the running tasks of dead processes back: they wait again, or are FAILED ("worker lost")
        when too many of their workers died. How many there were."""
        return 0

    def workers(self) -> list[WorkerState] | None:
        """The processes that run tasks of this store now; None: only this one can."""
        return None

    def can_claim(self) -> bool:
        """Whether this process may start tasks now; not where claiming has failed and was not tried again
        yet, nor where others may hold it for dead."""
        return True

    def is_busy(self) -> bool:
        """Whether this process has claimed tasks that have not ended."""
        return True

    def let_go(self) -> None:
        """Give back what this process has claimed and not started."""

    def give_back(self, still_running: Collection[Lane] = ()) -> list[TaskRecord]:
        """When this process stops: let others have what it claimed and has not finished; no attempt is
        spent. `still_running`: lanes whose functions could not be ended; others get those tasks when this
        process has died. The tasks that had been started."""
        return []

    def leave_to_the_parent(self) -> None:
        """In a forked child: what is open belongs to the parent, and is neither used nor closed here."""

    def close(self) -> None:
        """Let go of what the store holds open. It is used no more."""


# Seconds of waiting that one point of priority is worth: a task of priority 10 overtakes those of
# priority 0 that were submitted up to ten seconds before it, and no older ones.
AGEING = 1.0

# After so many workers have died on it, a task is FAILED.
MOST_DELIVERIES = 3
WORKER_LOST = "worker lost"
# Of the attempts at one task, the last so many are remembered.
ATTEMPTS_KEPT = 20
EXPIRED = "expired before it could start"


def _not_within() -> InvalidOption:
    return InvalidOption(
        "connection= submits within a transaction of your own, and so needs tasks in the same PostgreSQL "
        "database: task_store='postgresql://…'. Nothing was queued."
    )
