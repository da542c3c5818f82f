"""Explain: in words, why a task has not run yet, or what became of it."""

from __future__ import annotations

from datetime import UTC

from hypern.clock import date_of
from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import QueueState, WorkerState
from hypern.tasks.engine import Engine
from hypern.tasks.ids import is_possible_id
from hypern.tasks.runtime import engines_to_ask

_NAMED = 5


def explain(task_id: str) -> str:
    """Why this task has not run yet, or what became of it: one or more sentences for people.

    The words may change; a program asks `get_task`.
    """
    for engine in engines_to_ask():
        words = explain_in(engine, task_id)
        if words is not None:
            return words
    return _unknown(task_id)


def explain_to(engine: Engine, task_id: str) -> str:
    """`explain` for the tasks of one engine."""
    return explain_in(engine, task_id) or _unknown(task_id)


def explain_in(engine: Engine, task_id: str) -> str | None:
    """What this engine can say of a task; None: it does not know it."""
    record = engine.store.get(task_id) if is_possible_id(task_id) else None
    if record is None:
        return None
    match record.status:
        case TaskStatus.PENDING:
            said = _pending(engine, record)
        case TaskStatus.RUNNING:
            said = _running(engine, record)
        case _:
            said = _ended(record)
    return " ".join([f"{record.name} {said[0]}", *said[1:]])


def _unknown(task_id: object) -> str:
    return (
        f"No task with the id {task_id!r:.140} is known here: it was never submitted to this store, or it "
        "ended so long ago that it is no longer kept (task_result_ttl, task_result_limit)."
    )


# -- it has ended --------------------------------------------------------------------------------------


def _ended(record: TaskRecord) -> list[str]:
    when = _moment(record.finished_at)
    if record.status is TaskStatus.COMPLETED:
        took = _span(record.finished_at - record.started_at)
        said = [f"completed at {when}, at attempt {record.attempt}, which took {took}."]
        if record.result_omitted is not None:
            said.append(f"Its result was not kept: {record.result_omitted.rstrip('.')}.")
        return said
    if record.status is TaskStatus.FAILED:
        return [f"failed at {when}, at attempt {record.attempt}: {record.error}"]
    attempts = f"at attempt {record.attempt}" if record.attempt else "before it had ever run"
    return [f"was cancelled at {when}, {attempts}{_because(record.reason)}."]


# -- it runs -------------------------------------------------------------------------------------------


def _running(engine: Engine, record: TaskRecord) -> list[str]:
    for_now = _span(engine.clock.wall() - record.started_at)
    said = [f"has been running since {_moment(record.started_at)} ({for_now}), attempt {record.attempt}."]
    if record.progress is not None:
        message = "" if record.progress.message is None else f" ({record.progress.message})"
        said.append(f"It says that {record.progress.fraction:.0%} is done{message}.")
    if record.rules.timeout is not None:
        said.append(f"It may take {record.rules.timeout:g} s.")
    if record.cancel_requested:
        said.append("It has been asked to stop.")
    return said


# -- it waits ------------------------------------------------------------------------------------------


def _pending(engine: Engine, record: TaskRecord) -> list[str]:
    if record.due is not None and record.due > engine.clock.steady():
        said = [f"waits: {_until(engine, record, record.due)}."]
    else:
        reasons = _held_up(engine, record) or ["a worker takes it at any moment"]
        since = _moment(max(record.ready_at, record.submitted_at))
        said = [f"has been waiting for a worker since {since}: {'; '.join(reasons)}."]
    if record.expires_at is not None:
        said.append(f"It is cancelled unless it starts before {_wall(engine, record.expires_at)}.")
    return said


def _until(engine: Engine, record: TaskRecord, due: float) -> str:
    moment = f"{_wall(engine, due)} (in {_span(due - engine.clock.steady())})"
    if record.history and record.error == record.history[-1].error:
        return f"attempt {record.attempt} ended with {record.error!r}, and the next one may start at {moment}"
    if record.error is not None:
        return f"it asked to be run again ({record.error}), which may be at {moment}"
    # It was claimed and put back without an attempt: only a rate does that.
    if record.rules.rate is not None and record.fence > record.attempt:
        return f"its task may start {record.rules.rate:g} times a second, and its turn is at {moment}"
    return f"it was delayed, and may start at {moment}"


def _held_up(engine: Engine, record: TaskRecord) -> list[str]:
    queue = next((queue for queue in engine.store.queues() if queue.name == record.spec.queue), None)
    workers = engine.store.workers()
    if workers is None:
        hands = _no_hands(engine)
    else:
        hands = _nobody_elsewhere(record, workers)
    reasons = [*hands, *_closed_queue(engine, queue)]
    ahead = engine.store.ahead(record)
    if ahead:
        reasons.append(f"{_tasks(ahead)} of its queue {'is' if ahead == 1 else 'are'} before it")
    reasons += _busy_workers(engine, record)
    return reasons


def _no_hands(engine: Engine) -> list[str]:
    """Why no worker of this process, which is the only one, will take anything."""
    if engine.settings.task_workers == 0:
        return ["this process runs no tasks (task_workers=0), so it needs another one that does"]
    if not engine.is_started:
        return ["the engine of this process is not running; it starts with the app, or the next task"]
    if engine.is_paused:
        return ["the engine of this process is paused"]
    return []


def _nobody_elsewhere(record: TaskRecord, workers: list[WorkerState]) -> list[str]:
    """Why none of the processes that share the store will take this task."""
    if not workers:
        return ["no process that runs tasks is alive; start the app, or `hypern worker`"]
    serving = [worker for worker in workers if worker.queues is None or record.spec.queue in worker.queues]
    if not serving:
        return [f"none of the {len(workers)} living workers serves its queue {record.spec.queue!r}"]
    if all(record.name in worker.unknown for worker in serving):
        return [f"no living worker knows its function: {_processes(serving)} did not find it"]
    return []


def _processes(workers: list[WorkerState]) -> str:
    named = ", ".join(str(worker.pid) for worker in workers[:_NAMED])
    return f"process {named}" if len(workers) == 1 else f"processes {named}"


def _closed_queue(engine: Engine, queue: QueueState | None) -> list[str]:
    if queue is None:
        return []
    reasons = []
    only = engine.settings.task_queues
    if not engine.store.shared and only is not None and queue.name not in only:
        reasons.append(f"this process runs only tasks of {', '.join(only)}, not of its queue {queue.name!r}")
    if queue.paused:
        reasons.append(f"its queue {queue.name!r} is paused")
    elif queue.limit is not None and queue.running >= queue.limit:
        running = [other for other in _running_tasks(engine) if other.spec.queue == queue.name]
        reasons.append(
            f"its queue {queue.name!r} runs no more than {_tasks(queue.limit)} at once, now {_names(running)}"
        )
    return reasons


def _busy_workers(engine: Engine, record: TaskRecord) -> list[str]:
    """Whether all workers of its lane have something to do."""
    running = [other for other in _running_tasks(engine) if other.lane is record.lane]
    processes = engine.store.workers()
    if record.lane is Lane.LOOP:
        workers, kind = engine.settings.task_async_limit * len(processes or [0]), "places for coroutines"
    elif processes is None:
        workers, kind = engine.settings.task_workers, "workers"
    else:
        workers, kind = sum(process.workers for process in processes), "workers"
    if not workers or len(running) < workers:
        return []
    where = "of this process" if processes is None else f"of {len(processes)} processes"
    return [f"all {workers} {kind} {where} are busy, with {_names(running)}"]


def _running_tasks(engine: Engine) -> list[TaskRecord]:
    return engine.store.find({TaskStatus.RUNNING})


# -- words ---------------------------------------------------------------------------------------------


def _names(records: list[TaskRecord]) -> str:
    named = ", ".join(f"{record.name} {record.id}" for record in records[:_NAMED])
    return named if len(records) <= _NAMED else f"{named} and {len(records) - _NAMED} more"


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"


def _because(reason: str | None) -> str:
    return "" if reason is None else f": {reason}"


def _wall(engine: Engine, steady: float) -> str:
    return _moment(engine.clock.wall() + steady - engine.clock.steady())


def _moment(wall: float) -> str:
    found = date_of(wall, UTC)
    return "a moment after the year 9999" if found is None else f"{found:%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
