"""What a viewer can do to tasks and queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypern.errors import BadRequest
from hypern.stores.overview import Filter, Number
from hypern.tasks.engine import Engine
from hypern.tasks.queues import limit_queue_of, pause_queue_of
from hypern.tasks.steering import delete_in, retry_in, run_now_in

# So many tasks one request changes; the page goes on with the next.
AT_ONCE = 200
# So far a preview counts.
COUNTED = 100_000


def retry(engine: Engine, task_id: str) -> str | None:
    """Submit an ended task anew. The id of the new one; None: it has not ended, or is not known."""
    return retry_in(engine, task_id)


def cancel(engine: Engine, task_id: str) -> str | None:
    return task_id if engine.cancel(task_id) else None


def delete(engine: Engine, task_id: str) -> str | None:
    return task_id if delete_in(engine, task_id) else None


def run_now(engine: Engine, task_id: str) -> str | None:
    return task_id if run_now_in(engine, task_id) else None


ACTIONS: dict[str, Callable[[Engine, str], str | None]] = {
    "retry": retry,
    "cancel": cancel,
    "delete": delete,
    "run": run_now,
}


def one_of(action: object) -> Callable[[Engine, str], str | None]:
    """Raises BadRequest."""
    if not isinstance(action, str) or action not in ACTIONS:
        raise BadRequest(f"The action has to be one of {', '.join(ACTIONS)}.")
    return ACTIONS[action]


def each(engine: Engine, action: str, task_ids: Sequence[str]) -> int:
    """Do it to each of these. To how many it could be done."""
    if action == "delete":
        return engine.store.delete(list(task_ids))
    act = one_of(action)
    return sum(act(engine, task_id) is not None for task_id in task_ids)


def preview(engine: Engine, which: Filter) -> Number:
    """How many tasks are meant, counted up to `COUNTED`."""
    return engine.store.number(which, COUNTED)


def set_queue(engine: Engine, name: str, settings: dict[str, Any]) -> None:
    """Pause, resume, limit. Raises InvalidOption, BadRequest."""
    if not settings or not set(settings) <= {"paused", "limit"}:
        raise BadRequest("Say what to do with the queue: paused, or limit.")
    if "paused" in settings:
        if not isinstance(settings["paused"], bool):
            raise BadRequest("paused has to be true or false.")
        pause_queue_of(engine, name, settings["paused"])
    if "limit" in settings:
        limit_queue_of(engine, name, settings["limit"])
