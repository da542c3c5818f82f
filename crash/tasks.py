"""The tasks that are run while processes die. Each writes down when it began and when it ended."""

import asyncio
import os
import time
from functools import cache

from crash.journal import Journal
from crash.surroundings import EFFECTS, Surroundings
from hypern import background, current_task


class NotYet(Exception):
    """Raised by the first attempt of a flaky task."""


@cache
def _effects() -> Journal:
    return Surroundings.read().journal(EFFECTS)


def _begin(task_id: str) -> str:
    attempt = current_task().attempt
    _effects().write("start", task_id, attempt)
    return f"{os.environ['CRASH_WHO']} {attempt}"


def _end(task_id: str, run: str) -> str:
    _effects().write("end", task_id, run.split(" ")[1])
    return run


@background()
def quick(task_id: str) -> str:
    """Returns who ran it, at which attempt: `"worker-3 1"`."""
    return _end(task_id, _begin(task_id))


@background()
def slow(task_id: str, seconds: float) -> str:
    """Takes a while, so that a kill may meet it running."""
    run = _begin(task_id)
    time.sleep(seconds)
    return _end(task_id, run)


@background()
async def coroutine(task_id: str, seconds: float) -> str:
    """As `slow`, on the task loop."""
    run = _begin(task_id)
    await asyncio.sleep(seconds)
    return _end(task_id, run)


@background()
def parent(task_id: str, seconds: float) -> str:
    """Leaves a child behind that sleeps for `seconds`, and sleeps as long itself."""
    run = _begin(task_id)
    if os.fork() == 0:
        os.closerange(0, 3)
        _effects().write("forked", task_id)
        time.sleep(seconds)
        os._exit(0)
    time.sleep(seconds)
    return _end(task_id, run)


@background()
def parent_of_submitter(task_id: str) -> int:
    """Its child submits the task `<task_id>-child`. How the child ended: 0, if it got that id."""
    run = _begin(task_id)
    child = os.fork()
    if child == 0:
        given = quick.with_options(task_id=f"{task_id}-child")(f"{task_id}-child")
        os._exit(0 if given == f"{task_id}-child" else 1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _end(task_id, run)
    return ended


@background(retries=1)
def flaky(task_id: str) -> str:
    """Raises at its first attempt."""
    run = _begin(task_id)
    if current_task().attempt == 1:
        _effects().write("raised", task_id, 1)
        raise NotYet
    return _end(task_id, run)


@background()
def tick() -> None:
    """Only begins; what recurs has an id of its own."""
    task = current_task()
    _effects().write("start", task.task_id, task.attempt)
