"""The options of a task, checked where they are written."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import msgspec

from hypern.errors import InvalidOption
from hypern.tasks.ids import is_valid_id

Priority: TypeAlias = Literal["low", "normal", "high", "critical"] | int

PRIORITIES = {"low": -10, "normal": 0, "high": 10, "critical": 20}
_HIGHEST = 2**31 - 1


class Options(msgspec.Struct, frozen=True):
    """How a task is to be run. `delay_seconds`: not before; `priority`: higher runs first; `retries`:
    further attempts after one that raised; `task_id`: the id to use instead of a new one."""

    delay_seconds: float = 0.0
    priority: int = 0
    retries: int = 0
    task_id: str | None = None

    def but(
        self,
        delay_seconds: float | None = None,
        priority: Priority | None = None,
        retries: int | None = None,
        task_id: str | None = None,
    ) -> Options:
        """These options with the given ones (not None) changed. Raises InvalidOption."""
        changes: dict[str, Any] = {}
        if delay_seconds is not None:
            changes["delay_seconds"] = _delay(delay_seconds)
        if priority is not None:
            changes["priority"] = _priority(priority)
        if retries is not None:
            changes["retries"] = _retries(retries)
        if task_id is not None:
            changes["task_id"] = _task_id(task_id)
        return msgspec.structs.replace(self, **changes) if changes else self


def _delay(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOption(f"delay_seconds must be a number of seconds, not {value!r}.")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidOption(f"delay_seconds must be finite and 0 or more, not {value!r}.")
    return seconds


def _priority(value: object) -> int:
    if isinstance(value, str) and value in PRIORITIES:
        return PRIORITIES[value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _HIGHEST:
        return int(value)
    raise InvalidOption(
        f"priority must be one of {', '.join(map(repr, PRIORITIES))} or an int of 32 bits, not {value!r}."
    )


def _retries(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST:
        raise InvalidOption(f"retries must be a whole number, 0 or more, not {value!r}.")
    return value


def _task_id(value: object) -> str:
    if not is_valid_id(value):
        raise InvalidOption(f"task_id must be 1 to 128 letters, digits or '_.:-', not {value!r}.")
    return str(value)
