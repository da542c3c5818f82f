"""Wait: until a task has ended, in a thread or in a coroutine, whichever process runs it."""

from __future__ import annotations

import math
import time

from hypern.errors import InvalidOption
from hypern.records import TERMINAL, TaskRecord
from hypern.results import TaskResult
from hypern.stores.overview import Mark
from hypern.tasks.engine import Engine
from hypern.tasks.ids import is_possible_id
from hypern.tasks.runtime import engines_to_ask


def wait_for_task(task_id: str, timeout: float | None = None) -> TaskResult | None:
    """The task once it has ended; None at once, or then, if it is not kept.

    Raises TimeoutError if it has not ended after `timeout` seconds; None: wait for as long as it takes. For
    plain code: in a coroutine await `wait_for_task_async`.
    """
    deadline = _deadline(timeout)
    engine, record = _find(task_id)
    while record is not None and record.status not in TERMINAL:
        engine.changes.differs_sync(task_id, Mark.of(record), _left(deadline, task_id))
        record = engine.store.get(task_id)
    return None if record is None else TaskResult.of(record)


async def wait_for_task_async(task_id: str, timeout: float | None = None) -> TaskResult | None:
    """As `wait_for_task`, without holding up the event loop."""
    deadline = _deadline(timeout)
    engine, record = _find(task_id)
    while record is not None and record.status not in TERMINAL:
        await engine.changes.differs(task_id, Mark.of(record), _left(deadline, task_id))
        record = await engine.get_async(task_id)
    return None if record is None else TaskResult.of(record)


def _find(task_id: object) -> tuple[Engine, TaskRecord | None]:
    engines = engines_to_ask()
    if is_possible_id(task_id):
        for engine in engines:
            record = engine.store.get(task_id)
            if record is not None:
                return engine, record
    return engines[0], None


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not is_number or not math.isfinite(timeout) or timeout < 0:
        raise InvalidOption(
            f"timeout={timeout!r:.80} has to be a finite number of seconds, 0 or more, or None."
        )
    return time.monotonic() + timeout


def _left(deadline: float | None, task_id: str) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(
            f"the task {task_id} has not ended in time; it goes on, and can be waited for again"
        )
    return left
