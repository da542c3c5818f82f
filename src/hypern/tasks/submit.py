"""Submit: from a task and its arguments to a record in the store and an id in the caller's hand."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from hypern.records import TaskRecord
from hypern.tasks.ids import new_id

if TYPE_CHECKING:
    from hypern.tasks.declare import Task
    from hypern.tasks.engine import Engine


# One empty dict for all the calls without keyword arguments; nobody writes to it.
_NO_KWARGS: dict[str, Any] = {}


def submit(engine: Engine, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Hand one call of `task` to `engine`. The id.

    Raises InvalidTask (the arguments do not fit), QueueFull, EngineStopped; nothing is queued then.
    """
    if kwargs or not task.least_args <= len(args) <= task.most_args:
        task.check_arguments(args, kwargs)
    clock = engine.clock
    options = task.options
    wall = clock.wall()
    context = copy_context()
    record = TaskRecord(
        id=options.task_id or new_id(wall),
        func=task.origin,
        target=task.func,
        name=task.name,
        lane=task.lane,
        args=args,
        kwargs=kwargs or _NO_KWARGS,
        priority=options.priority,
        retries=options.retries,
        submitted_at=wall,
        due=clock.steady() + options.delay_seconds if options.delay_seconds else None,
        # An empty context is the usual one outside of requests, and needs no object to be kept.
        context=context if len(context) else None,
        ready_at=wall,
    )
    engine.accept(record)
    return record.id
