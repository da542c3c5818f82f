"""The functions that need neither app nor task: submit a function, look up an id, cancel, from any module."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from hypern.errors import InvalidTask
from hypern.records import TaskResult
from hypern.tasks.declare import Task
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.options import Options, Priority
from hypern.tasks.runtime import current_engine, engines_to_ask
from hypern.tasks.submit import submit


def submit_task(
    func: Callable[..., Any],
    args: tuple[Any, ...] | list[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    delay_seconds: float | None = None,
    priority: Priority | None = None,
    retries: int | None = None,
    task_id: str | None = None,
) -> str:
    """Run `func(*args, **kwargs)` in the background. The id.

    `func` may be plain or decorated; a decorated one keeps its own options where none are given here.
    Raises InvalidTask, InvalidOption, QueueFull; nothing is queued then.
    """
    return submit_to(current_engine(), func, args, kwargs, delay_seconds, priority, retries, task_id)


def submit_to(
    engine: Engine,
    func: Callable[..., Any],
    args: tuple[Any, ...] | list[Any],
    kwargs: Mapping[str, Any] | None,
    delay_seconds: float | None,
    priority: Priority | None,
    retries: int | None,
    task_id: str | None,
) -> str:
    """`submit_task` to a certain engine."""
    if not isinstance(args, (tuple, list)):
        raise InvalidTask(
            f"submit_task() takes args as a tuple, not {type(args).__name__}; "
            "write args=(value,) for one value."
        )
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InvalidTask(f"submit_task() takes kwargs as a dict, not {type(kwargs).__name__}.")
    # Running a partial or a method of a task would only submit that task a second time.
    if isinstance(func, functools.partial) and isinstance(func.func, Task):
        args, kwargs = (*func.args, *args), {**func.keywords, **(kwargs or {})}
        func = func.func
    elif isinstance(func, MethodType) and isinstance(func.__func__, Task):
        func = func.__func__.__get__(func.__self__)
    task = func if isinstance(func, Task) else _task_of(func)
    if delay_seconds is not None or priority is not None or retries is not None or task_id is not None:
        task = task.with_options(
            delay_seconds=delay_seconds, priority=priority, retries=retries, task_id=task_id
        )
    return submit(engine, task, tuple(args), {} if kwargs is None else dict(kwargs))


def get_task(task_id: str) -> TaskResult | None:
    """The task with this id as it is now; None if there is none or it is no longer kept."""
    for engine in engines_to_ask():
        found = look_up(engine, task_id)
        if found is not None:
            return found
    return None


def cancel_task(task_id: str) -> bool:
    """Cancel a task. True: it was waiting and will never run, or it runs and has been asked to stop
    (a coroutine gets CancelledError, a plain function sees `current_task().cancel_requested`; what it
    then does is its outcome). False: unknown or already ended."""
    return any(engine.cancel(task_id) for engine in engines_to_ask())


_undecorated: weakref.WeakKeyDictionary[Callable[..., Any], Task[..., Any]] = weakref.WeakKeyDictionary()


def _task_of(func: Callable[..., Any]) -> Task[..., Any]:
    """The task for a function that was submitted without having been decorated."""
    try:
        task = _undecorated.get(func)
    except TypeError:  # not hashable, or no weak references to it
        task = None
    if task is None:
        task = Task(func, Options())
        task.origin = func
        # The cached task must not keep alive the function that is its key, so only functions that live
        # in a module, and stay there anyway, are kept.
        if (
            inspect.isfunction(func)
            and vars(sys.modules.get(func.__module__, object)).get(func.__name__) is func
        ):
            _undecorated[func] = task
    return task
