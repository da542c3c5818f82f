"""What `get_task` answers: the view of a task at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypern.records import TERMINAL, Progress, TaskRecord, TaskStatus


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """One attempt that failed. `number`: 1 for the first; times are aware datetimes in UTC."""

    number: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str
    traceback: str | None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What `get_task` answers: one task at one moment. It does not change under the reader.

    `result`: the returned value, its type kept, `None` until COMPLETED; `result_omitted`: why a
    returned value was not kept. `error`: a short text such as `"ValueError: bad row"`, `None` unless
    the last attempt failed; `traceback`: its text. `func`, `args`, `kwargs`:
    `submit_task(result.func, args=result.args, kwargs=result.kwargs)` runs the task again. `attempt`:
    how often it was started; `attempts`: those of them that failed, oldest first. `reason`: why it was
    cancelled, where that is known. `origin`: the id of the ended task
    that this one repeats (`retry_task`). Times are aware datetimes in UTC, `None` until they happen.
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
    reason: str | None
    queue: str
    attempts: tuple[TaskAttempt, ...]
    origin: str | None = None

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
            func=record.spec.func,
            args=record.args,
            kwargs=dict(record.kwargs),
            attempt=record.attempt,
            submitted_at=datetime.fromtimestamp(record.submitted_at, UTC),
            started_at=_moment(record.started_at),
            finished_at=_moment(record.finished_at),
            progress=record.progress,
            cancel_requested=record.cancel_requested,
            result_omitted=record.result_omitted,
            reason=record.reason,
            queue=record.rules.queue,
            attempts=tuple(
                TaskAttempt(
                    past.number,
                    _moment(past.started_at),
                    _moment(past.finished_at),
                    past.error,
                    past.traceback,
                )
                for past in record.history
            ),
            origin=record.origin,
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
