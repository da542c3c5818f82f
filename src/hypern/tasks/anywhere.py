"""The functions that need neither app nor task: submit a function, look up an id, cancel, from any module."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, Unpack

from hypern.errors import InvalidTask
from hypern.results import TaskResult
from hypern.tasks.declare import Task
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.options import CallOptions, Options
from hypern.tasks.runtime import current_engine, engines_to_ask
from hypern.tasks.submit import submit, submit_all


def submit_task(
    func: Callable[..., Any],
    args: tuple[Any, ...] | list[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Unpack[CallOptions],
) -> str:
    """Run `func(*args, **kwargs)` in the background. The id.

    `func` may be plain or decorated; a decorated one keeps its own options where none are given here.
    `options` are those of `CallOptions`. Raises InvalidTask, InvalidOption, QueueFull; nothing is queued
    then.
    """
    return submit_to(current_engine(), func, args, kwargs, options)


def submit_many(
    calls: Iterable[
        tuple[Callable[..., Any], tuple[Any, ...]]
        | tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
    ],
) -> list[str]:
    """Run many calls in the background: `(func, args)` or `(func, args, kwargs)` each. All of them are
    submitted, or, when this raises, none. Their ids, in the same order."""
    return submit_many_to(current_engine(), calls)


def submit_to(
    engine: Engine,
    func: Callable[..., Any],
    args: tuple[Any, ...] | list[Any],
    kwargs: Mapping[str, Any] | None,
    options: CallOptions,
) -> str:
    """`submit_task` to a certain engine."""
    return submit(engine, *call_of(func, args, kwargs, options))


def submit_many_to(engine: Engine, calls: Iterable[tuple[Any, ...]]) -> list[str]:
    """`submit_many` to a certain engine."""
    checked = []
    for call in calls:
        if not isinstance(call, tuple) or not 2 <= len(call) <= 3:
            raise InvalidTask(f"submit_many() takes (func, args) or (func, args, kwargs), not {call!r:.80}.")
        checked.append(call_of(call[0], call[1], call[2] if len(call) == 3 else None, {}))
    return submit_all(engine, checked)


def call_of(
    func: Callable[..., Any],
    args: tuple[Any, ...] | list[Any],
    kwargs: Mapping[str, Any] | None,
    options: CallOptions,
) -> tuple[Task[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The task to submit, and its arguments. Raises InvalidTask, InvalidOption."""
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
    if options:
        task = task.with_options(**options)
    return task, tuple(args), {} if kwargs is None else dict(kwargs)


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
        task._set(task.options)
        # The cached task must not keep alive the function that is its key, so only functions that live
        # in a module, and stay there anyway, are kept.
        if (
            inspect.isfunction(func)
            and vars(sys.modules.get(func.__module__, object)).get(func.__name__) is func
        ):
            _undecorated[func] = task
    return task
