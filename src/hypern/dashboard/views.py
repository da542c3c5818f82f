"""What the page shows, as plain data: read from an engine and its store, changing nothing."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from hypern.dashboard.numbers import Recent
from hypern.errors import NotFound
from hypern.records import Attempt, TaskRecord, TaskStatus
from hypern.stores.base import QueueState, Store
from hypern.stores.overview import Filter, QueueTotals
from hypern.tasks.engine import Engine
from hypern.tasks.explain import explain_to
from hypern.tasks.recurring import recurring_tasks

Data = dict[str, Any]

_STATES = ("waiting", "delayed", "running", "completed", "failed", "cancelled", "pruned")
_LONGEST_ERROR, _LONGEST_NAME = 300, 300
_MOST_LINES = 1000
# Those that are shown of what runs.
_MOST_RUNNING = 100


def summary(engine: Engine) -> Data:
    """The numbers of all queues, and what they add up to."""
    totals = {one.queue: one for one in engine.store.totals()}
    settings = {one.name: one for one in engine.store.queues()}
    names = sorted({*totals, *settings})
    queues = [_queue(name, totals.get(name), settings.get(name)) for name in names]
    workers = engine.store.workers()
    return {
        "now": engine.clock.wall(),
        "queues": queues,
        "totals": {state: sum(queue[state] for queue in queues) for state in (*_STATES, "submitted")},
        "processes": None if workers is None else len(workers),
        "idle": _idle(engine, workers),
    }


def _queue(name: str, totals: QueueTotals | None, settings: QueueState | None) -> Data:
    totals = totals or QueueTotals(name)
    return {
        "name": name,
        **{state: getattr(totals, state) for state in _STATES},
        "submitted": totals.submitted,
        "paused": settings is not None and settings.paused,
        "limit": None if settings is None else settings.limit,
    }


def _idle(engine: Engine, workers: list[Any] | None) -> str | None:
    """Why nothing runs, if nothing can."""
    if workers is not None:
        return None if workers else "No process that runs tasks is alive."
    if engine.is_paused:
        return "The engine of this process is paused."
    return None


def overview(engine: Engine, seconds: int) -> Data:
    """The numbers of the last so many seconds, over time and by task."""
    running = engine.store.page(Filter((TaskStatus.RUNNING,)), None, 8).records
    return {
        "window": seconds,
        **_recent(engine, seconds).read(engine.store.pulse, engine.clock.wall()),
        "running": [row(engine, record) for record in running],
        "failed": [
            row(engine, record) for record in engine.store.page(Filter((TaskStatus.FAILED,)), None, 8).records
        ],
    }


_kept: WeakKeyDictionary[Store, dict[int, Recent]] = WeakKeyDictionary()


def _recent(engine: Engine, seconds: int) -> Recent:
    """The numbers of this store, as they are kept for all who look at them."""
    return _kept.setdefault(engine.store, {}).setdefault(seconds, Recent(seconds))


def tasks(engine: Engine, which: Filter, after: str | None, limit: int) -> Data:
    """A page of the tasks that are meant, the last submitted first. Raises InvalidOption for an `after` that
    is none."""
    page = engine.store.page(which, after, limit)
    return {"rows": [row(engine, record) for record in page.records], "after": page.after}


def row(engine: Engine, record: TaskRecord) -> Data:
    """A task in one line."""
    return {
        "id": record.id,
        "name": record.name[:_LONGEST_NAME],
        "queue": record.spec.queue,
        "status": record.status.value,
        "attempt": record.attempt,
        "priority": record.spec.priority,
        "submitted": record.submitted_at,
        "ready": record.ready_at or None,
        "started": record.started_at or None,
        "finished": record.finished_at or None,
        "due": _due(engine, record),
        "error": None if record.error is None else record.error[:_LONGEST_ERROR],
        "reason": None if record.reason is None else record.reason[:_LONGEST_ERROR],
        "progress": _progress(record),
        "cancel_requested": record.cancel_requested,
    }


def task(engine: Engine, task_id: str) -> Data:
    """All there is of one task, but for its arguments and its result. Raises NotFound."""
    record = engine.store.get(task_id)
    if record is None:
        raise NotFound("There is no such task, or it is no longer kept.")
    rules = record.rules
    lines = engine.store.logs(task_id)
    ended = record.status is TaskStatus.FAILED
    return {
        **row(engine, record),
        "error": record.error,
        "traceback": record.traceback if ended else None,
        "explained": explain_to(engine, task_id),
        "lane": record.lane.value,
        "lost": record.lost,
        "origin": record.origin,
        "expires": None if record.expires_at is None else _wall(engine, record.expires_at),
        "omitted": record.result_omitted,
        "has_result": record.status is TaskStatus.COMPLETED and record.result is not None,
        "rules": {
            "retries": rules.retries,
            "timeout": rules.timeout,
            "isolate": rules.isolate,
            "rate": rules.rate,
            "on_crash": rules.on_crash,
        },
        "attempts": [_attempt(attempt) for attempt in record.history],
        "lines": [
            {"at": line.at, "level": line.level, "logger": line.logger, "text": line.text}
            for line in lines[-_MOST_LINES:]
        ],
    }


def recurring(engine: Engine) -> Data:
    """The recurring tasks that this process knows, in words."""
    found = recurring_tasks()
    return {
        "recurring": [
            {
                "name": one.name,
                "schedule": one.schedule,
                "next": None if one.next_tick is None else one.next_tick.timestamp(),
                "catch_up": one.catch_up,
            }
            for one in found
        ]
    }


def workers(engine: Engine) -> Data:
    """The processes that run tasks, and what runs now."""
    states = engine.store.workers()
    running = engine.store.page(Filter((TaskStatus.RUNNING,)), None, _MOST_RUNNING)
    return {
        "alone": states is None,
        "threads": engine.settings.task_workers,
        "workers": [
            {
                "id": one.id,
                "pid": one.pid,
                "host": one.host,
                "started": one.started_at,
                "queues": one.queues,
                "threads": one.workers,
                "unknown": list(one.unknown)[:20],
            }
            for one in states or ()
        ],
        "running": [row(engine, record) for record in running.records],
        "more": running.after is not None and len(running.records) >= _MOST_RUNNING,
    }


def _attempt(attempt: Attempt) -> Data:
    return {
        "number": attempt.number,
        "started": attempt.started_at or None,
        "finished": attempt.finished_at or None,
        "error": attempt.error,
        "traceback": attempt.traceback,
    }


def _progress(record: TaskRecord) -> Data | None:
    if record.progress is None:
        return None
    message = record.progress.message
    return {"fraction": record.progress.fraction, "message": None if message is None else message[:300]}


def _due(engine: Engine, record: TaskRecord) -> float | None:
    """The wall-clock second at which a delayed task may start; None for one that is not delayed."""
    if record.status is not TaskStatus.PENDING or record.due is None:
        return None
    due = _wall(engine, record.due)
    return due if due > engine.clock.wall() else None


def _wall(engine: Engine, steady: float) -> float:
    return engine.clock.wall() + steady - engine.clock.steady()
