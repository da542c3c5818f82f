"""What a request asks for: each value checked, each number kept within bounds."""

from __future__ import annotations

import math
from typing import Any

from hypern.errors import BadRequest, NotFound
from hypern.http.request import Request
from hypern.records import TaskStatus
from hypern.stores.overview import Filter
from hypern.tasks.ids import is_possible_id

WINDOWS = (900, 3600, 21_600, 86_400)
_MOST_ROWS = 200
_LONGEST = 200


def task_id(text: object) -> str:
    """An id. Raises NotFound for what cannot be one, as for one that is not known."""
    if not is_possible_id(text):
        raise NotFound("There is no such task.")
    return text


def number(text: str | None, name: str, default: float, least: float, most: float) -> float:
    """A number, put within its bounds. Raises BadRequest for what is none."""
    if text is None or text == "":
        return default
    try:
        value = float(text[:40])
    except ValueError:
        raise BadRequest(f"{name} has to be a number.") from None
    if math.isnan(value):
        raise BadRequest(f"{name} has to be a number.")
    return min(most, max(least, value))


def rows(req: Request) -> int:
    return int(number(req.query("limit"), "limit", 50, 1, _MOST_ROWS))


def window(req: Request) -> int:
    """The seconds that numbers are shown of: the shortest window that has at least so many."""
    wanted = number(req.query("window"), "window", 3600, WINDOWS[0], WINDOWS[-1])
    return next(seconds for seconds in WINDOWS if seconds >= wanted)


def filter_of(req: Request) -> Filter:
    """The filter that stands in a query. Raises BadRequest."""
    return make_filter({name: req.query(name) for name in _FIELDS})


def make_filter(given: Any) -> Filter:
    """A filter from its fields, None and "" standing for any. Raises BadRequest."""
    if not isinstance(given, dict) or not set(given) <= set(_FIELDS):
        raise BadRequest(f"A filter consists of {', '.join(_FIELDS)}.")
    for name, value in given.items():
        if value is not None and not isinstance(value, str | int | float):
            raise BadRequest(f"{name} has to be text.")
        if isinstance(value, str) and "\x00" in value:
            raise BadRequest(f"{name} has a character in it that no text has.")
    said = {name: str(value)[:_LONGEST] for name, value in given.items() if value not in (None, "")}
    return Filter(
        statuses=_statuses(said.get("status")),
        queue=said.get("queue"),
        name=said.get("name"),
        text=said.get("text"),
        since=_moment(said, "since"),
        until=_moment(said, "until"),
    )


_FIELDS = ("status", "queue", "name", "text", "since", "until")


def _statuses(said: str | None) -> tuple[TaskStatus, ...] | None:
    if said is None:
        return None
    try:
        return tuple(dict.fromkeys(TaskStatus(word) for word in said.split(",")))
    except ValueError:
        known = ", ".join(status.value for status in TaskStatus)
        raise BadRequest(f"status has to be one of {known}, or several with commas between.") from None


def _moment(said: dict[str, str], name: str) -> float | None:
    return number(said[name], name, 0.0, 0.0, 1e11) if name in said else None
