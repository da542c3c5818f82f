"""What a task is while it is on its way: its states, its record, its outcome, and the view of it.

  add          claim            finish
───────▶ PENDING ─────▶ RUNNING ────────▶ COMPLETED
            │  ▲           ├────────────▶ FAILED
            │  └───────────┤ retry
            └──────────────┴────────────▶ CANCELLED
"""

from __future__ import annotations

import contextvars
import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec


class TaskStatus(enum.StrEnum):
    """The state of a task. Each member is a `str`: `TaskStatus.COMPLETED == "completed"`.

    `.name` and `.value` are both the lower-case word, so that a JSON answer carries `"completed"`;
    `TaskStatus["COMPLETED"]` finds a member by its Python name.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def name(self) -> str:
        return self.value


TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})

# From each state, the states that may follow. Every store holds to this table.
TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELLED}),
    TaskStatus.RUNNING: TERMINAL | {TaskStatus.PENDING},
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}


class Lane(enum.StrEnum):
    """What runs a task: a worker thread (plain functions) or the task loop (coroutine functions)."""

    THREAD = "thread"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running task says it is. `fraction`: 0.0–1.0; `message`: its own words or None."""

    fraction: float
    message: str | None = None


class TaskRecord(msgspec.Struct, eq=False):
    """One task as its store keeps it. Only the store that holds it changes `status` and what follows.

    `func`: what the user handed over (a decorated task, or a function); `target`: the function to run.
    `due`: the steady-clock second from which it may start, `None` for at once. `ready_at`: the
    wall-clock second since which it has been waiting for a worker. Times without a zone are wall-clock
    seconds, 0.0 while they have not happened.
    """

    id: str
    func: Callable[..., Any]
    target: Callable[..., Any]
    name: str
    lane: Lane
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    priority: int
    retries: int
    submitted_at: float
    due: float | None
    context: contextvars.Context | None
    ready_at: float
    status: TaskStatus = TaskStatus.PENDING
    attempt: int = 0
    started_at: float = 0.0
    finished_at: float = 0.0
    result: Any = None
    result_omitted: str | None = None
    error: str | None = None
    traceback: str | None = None
    progress: Progress | None = None
    cancel_requested: bool = False


class Completed(msgspec.Struct, frozen=True):
    """The function returned. `omitted` says why its value could not be kept, `None` if it was."""

    value: Any
    omitted: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The function raised. `error`: `"ValueError: bad row"`; `traceback`: text. Both are bounded."""

    error: str
    traceback: str


class Cancelled(msgspec.Struct, frozen=True):
    """The function gave way to a request to cancel it."""


class Again(msgspec.Struct, frozen=True):
    """The function raised and is to be tried again, from the steady-clock second `due` on."""

    error: str
    traceback: str
    due: float


# How calling the function ended, and, after `finish` has decided, what the store shall write.
Outcome = Completed | Failed | Cancelled
Ending = Outcome | Again


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What `get_task` answers: one task at one moment. It does not change under the reader.

    `result`: the returned value, its type kept, `None` until COMPLETED; `result_omitted`: why a
    returned value was not kept. `error`: a short text such as `"ValueError: bad row"`, `None` unless
    the last attempt failed; `traceback`: its text. `func`, `args`, `kwargs`:
    `submit_task(result.func, args=result.args, kwargs=result.kwargs)` runs the task again. `attempt`:
    how often it was started. Times are aware datetimes in UTC, `None` until they happen.
    """

    task_id: str
    name: str
    status: TaskStatus
    result: Any
    error: str | None
    traceback: str | None
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempt: int
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: Progress | None
    cancel_requested: bool
    result_omitted: str | None

    @classmethod
    def of(cls, record: TaskRecord) -> TaskResult:
        """The view of a record that nobody else changes any more (a store's snapshot)."""
        failed = record.status is TaskStatus.FAILED
        return cls(
            task_id=record.id,
            name=record.name,
            status=record.status,
            result=record.result,
            error=record.error if failed else None,
            traceback=record.traceback if failed else None,
            func=record.func,
            args=record.args,
            kwargs=dict(record.kwargs),
            attempt=record.attempt,
            submitted_at=datetime.fromtimestamp(record.submitted_at, UTC),
            started_at=_moment(record.started_at),
            finished_at=_moment(record.finished_at),
            progress=record.progress,
            cancel_requested=record.cancel_requested,
            result_omitted=record.result_omitted,
        )

    def is_success(self) -> bool:
        return self.status is TaskStatus.COMPLETED

    def is_failed(self) -> bool:
        return self.status is TaskStatus.FAILED

    def is_cancelled(self) -> bool:
        return self.status is TaskStatus.CANCELLED

    def is_running(self) -> bool:
        return self.status is TaskStatus.RUNNING

    def is_done(self) -> bool:
        """It has ended: COMPLETED, FAILED or CANCELLED."""
        return self.status in TERMINAL

    def is_pending(self) -> bool:
        """It has not ended: PENDING or RUNNING."""
        return self.status not in TERMINAL


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
