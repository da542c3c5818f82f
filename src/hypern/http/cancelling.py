"""Telling the end of a request's task, which has to take its course, from what a program raises by itself."""

from __future__ import annotations

import asyncio


def is_from_outside(error: BaseException) -> bool:
    """Whether the current task is being cancelled or closed, and `error` is how the code in it gets to know.

    A handler's own sys.exit() or CancelledError is an error like others.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit)
