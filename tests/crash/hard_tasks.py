"""Tasks that are hard on the process that runs them, that may run only so often, or that wait for a test."""

import re
import time
from typing import Any

import crash.tasks
from crash.surroundings import Surroundings
from crash.tasks import _begin, _end

from hypern import background

limited = background(queue="limited")(crash.tasks.slow.func)
paced = background(queue="paced", rate="20/s")(crash.tasks.slow.func)
other = background(queue="other")(crash.tasks.quick.func)


@background()
def greedy(task_id: str, size: int) -> int:
    """Wants so many bytes of memory, and touches each page of them."""
    _begin(task_id)
    return sum(bytearray(b"x") * size) and len(_end(task_id, "greedy 1"))


GO = "go"


@background()
def held(task_id: str) -> str:
    """Runs until there is a file of that name in the home of the test."""
    run, go = _begin(task_id), Surroundings.read().home / GO
    while not go.exists():
        time.sleep(0.01)
    return _end(task_id, run)


@background()
def brooding(task_id: str, letters: int) -> str:
    """Keeps the interpreter for itself, twice as long for each letter."""
    run = _begin(task_id)
    re.match(r"(a+)+$", "a" * letters + "b")
    return _end(task_id, run)


def find(kind: str) -> Any:
    """The task of that name, here or among those of the harness."""
    return globals()[kind] if kind in globals() else getattr(crash.tasks, kind)
