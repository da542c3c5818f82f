"""Which tasks are meant: from what a caller says to the filter that a store knows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from hypern.errors import InvalidOption
from hypern.records import TERMINAL, TaskStatus
from hypern.stores.overview import Filter

Status: TypeAlias = TaskStatus | str

ENDED = tuple(status for status in TaskStatus if status in TERMINAL)
NOT_ENDED = tuple(status for status in TaskStatus if status not in TERMINAL)


class TaskFilter(TypedDict, total=False):
    """Which tasks are meant: each of these narrows it, None does not.

    `status`: a `TaskStatus`, its word, or several of them. `queue`, `name`: exactly this one. `search`: a
    part of the id, the name or the error, in upper or lower case, and never a pattern. `since`, `until`:
    submitted from then on, and before: aware datetimes, or seconds since the epoch.
    """

    status: Status | Collection[Status] | None
    queue: str | None
    name: str | None
    search: str | None
    since: datetime | float | None
    until: datetime | float | None


def to_filter(
    given: TaskFilter,
    allowed: tuple[TaskStatus, ...] = tuple(TaskStatus),
    usual: tuple[TaskStatus, ...] | None = None,
) -> Filter:
    """The filter of a store. `allowed`: the states that may be given; `usual`: those that are meant where
    none is given, None: all that are allowed.

    Raises InvalidOption.
    """
    unknown = set(given) - set(TaskFilter.__annotations__)
    if unknown:
        raise InvalidOption(
            f"tasks cannot be chosen by {', '.join(sorted(unknown))}; "
            f"there are {', '.join(TaskFilter.__annotations__)}."
        )
    said = given.get("status")
    statuses = (usual or allowed) if said is None else _statuses(said, allowed)
    return Filter(
        statuses=None if statuses == tuple(TaskStatus) else statuses,
        queue=_text("queue", given.get("queue")),
        name=_text("name", given.get("name")),
        text=_text("search", given.get("search")),
        since=_moment("since", given.get("since")),
        until=_moment("until", given.get("until")),
    )


def _statuses(given: Any, allowed: tuple[TaskStatus, ...]) -> tuple[TaskStatus, ...]:
    words = [given] if isinstance(given, str) else given
    said = ", ".join(map(str, words)) if isinstance(words, list | tuple) else repr(given)
    try:
        statuses = tuple(dict.fromkeys(TaskStatus(word) for word in words))
    except (ValueError, TypeError):
        raise InvalidOption(
            f"status must be one or several of {', '.join(TaskStatus)}, not {said:.100}."
        ) from None
    if not set(statuses) <= set(allowed):
        raise InvalidOption(f"status must be one or several of {', '.join(allowed)} here, not {said:.100}.")
    return statuses


def _text(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise InvalidOption(f"{name} must be a str, not {value!r:.100}.")


def _moment(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # an int beyond all floats
            if math.isfinite(value):
                return float(value)
    raise InvalidOption(
        f"{name} must be a datetime with a time zone, or seconds since the epoch, not {value!r:.100}."
    )
