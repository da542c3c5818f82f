"""Submit: from a task and its arguments to a record in the store and an id in the caller's hand."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from hypern.records import TaskRecord
from hypern.tasks.ids import new_id
from hypern.tasks.uniqueness import unique_key

if TYPE_CHECKING:
    from hypern.tasks.declare import Task
    from hypern.tasks.engine import Engine


# One empty dict for all the calls without keyword arguments; nobody writes to it.
_NO_KWARGS: dict[str, Any] = {}


def submit(engine: Engine, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Hand one call of `task` to `engine`. The id; that of an earlier task where `unique` says so.

    Raises InvalidTask (the arguments do not fit), QueueFull, EngineStopped; nothing is queued then.
    """
    record = new_record(engine, task, args, kwargs)
    if engine.companions.members:
        with engine.companions.submitting([record]):
            return _hand_over(engine, task, record)
    # Spelled out: most have none, and every submit comes through here.
    if task.options.connection is not None:
        return engine.accept_within(record, task.options.connection)
    return engine.accept(record)


def _hand_over(engine: Engine, task: Task[..., Any], record: TaskRecord) -> str:
    if task.options.connection is not None:
        return engine.accept_within(record, task.options.connection)
    return engine.accept(record)


async def submit_async(
    engine: Engine, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str:
    """As `submit`, without holding up the event loop for a disk."""
    record = new_record(engine, task, args, kwargs)
    if engine.companions.members:
        with engine.companions.submitting([record]):
            return await _hand_over_async(engine, task, record)
    return await _hand_over_async(engine, task, record)


async def _hand_over_async(engine: Engine, task: Task[..., Any], record: TaskRecord) -> str:
    if task.options.connection is not None:
        return await engine.accept_within_async(record, task.options.connection)
    return await engine.accept_async(record)


def submit_all(
    engine: Engine, calls: Iterable[tuple[Task[..., Any], tuple[Any, ...], dict[str, Any]]]
) -> list[str]:
    """Hand many calls to `engine`, all or none of them. Their ids, in the same order."""
    calls = list(calls)
    if any(task.options.connection is not None for task, _, _ in calls):
        # All or none, as their transaction has it.
        return [submit(engine, task, args, kwargs) for task, args, kwargs in calls]
    return hand_over_all(engine, [new_record(engine, task, args, kwargs) for task, args, kwargs in calls])


def hand_over_all(engine: Engine, records: list[TaskRecord]) -> list[str]:
    """Hand new tasks to `engine`, all or none of them. Their ids, in the same order."""
    if engine.companions.members:
        with engine.companions.submitting(records):
            return engine.accept_many(records)
    return engine.accept_many(records)


def new_record(
    engine: Engine, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TaskRecord:
    if kwargs or not task.least_args <= len(args) <= task.most_args:
        task.check_arguments(args, kwargs)
    clock = engine.clock
    options = task.options
    wall = clock.wall()
    context = copy_context()
    record = TaskRecord(
        options.task_id or new_id(wall),
        task.spec,
        args,
        kwargs or _NO_KWARGS,
        wall,
        clock.steady() + options.delay_seconds if options.delay_seconds else None,
        # An empty context is the usual one outside of requests, and needs no object to be kept.
        context if len(context) else None,
        wall,
    )
    if task.has_conditions:
        _add_conditions(record, task, clock.steady())
    return record


def _add_conditions(record: TaskRecord, task: Task[..., Any], steady: float) -> None:
    rules = record.spec.rules
    if rules.expires is not None:
        record.expires_at = (steady if record.due is None else record.due) + rules.expires
    if task.options.unique:
        record.unique_key = unique_key(task, record.args, record.kwargs)
