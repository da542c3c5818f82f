"""Look up: the last step, from an id to what can be known of its task."""

from __future__ import annotations

from hypern.results import TaskResult
from hypern.tasks.engine import Engine
from hypern.tasks.ids import is_possible_id


def look_up(engine: Engine, task_id: object) -> TaskResult | None:
    """The task as it is now; None for anything that is not the id of a kept task."""
    if not is_possible_id(task_id):
        return None
    record = engine.store.get(task_id)
    return None if record is None else TaskResult.of(record)
