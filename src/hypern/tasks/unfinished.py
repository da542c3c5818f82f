"""What is said in the log of tasks that were not finished when their engine stopped."""

from __future__ import annotations

import logging
from collections import Counter

from hypern.records import TaskRecord

logger = logging.getLogger("hypern.tasks")

# So many are named one by one.
_NAMED = 500


def name_abandoned(left: list[TaskRecord], grace: float) -> None:
    """Of a store that is gone with its process."""
    _name(left, grace, ", and memory:// keeps nothing beyond this process")


def name_given_back(left: list[TaskRecord], grace: float) -> None:
    """Of a store that others go on with."""
    _name(left, grace, "; another process runs them, or the next one")


def _name(left: list[TaskRecord], grace: float, what: str) -> None:
    """Say in the log what was not finished. A broken logging handler does not keep the engine from ending."""
    if not left:
        return
    named = ", ".join(f"{record.name} {record.id} ({record.status})" for record in left[:_NAMED])
    if len(left) > _NAMED:
        rest = Counter(record.name for record in left[_NAMED:])
        named += ", and " + ", ".join(f"{number} more of {name}" for name, number in rest.items())
    tasks = "1 background task was" if len(left) == 1 else f"{len(left)} background tasks were"
    try:
        logger.warning(
            "%s not finished when the engine stopped (grace %g s)%s: %s", tasks, grace, what, named
        )
    except Exception:
        return
