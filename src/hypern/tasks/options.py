"""The options of a task, checked where they are written."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict

import msgspec

from hypern.errors import InvalidOption
from hypern.records import Backoff, Rules
from hypern.tasks.failure import exception_name
from hypern.tasks.ids import is_storable_text, is_valid_id

Priority: TypeAlias = Literal["low", "normal", "high", "critical"] | int
Unique: TypeAlias = bool | str | Callable[..., str]

PRIORITIES = {"low": -10, "normal": 0, "high": 10, "critical": 20}
_HIGHEST = 2**31 - 1
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(?:(\d+(?:\.\d+)?)\s*)?(s|m|h|d)\s*\Z")
_LOWEST_RATE, _HIGHEST_RATE = 1 / (36_525 * 86_400), 1e9
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class TaskOptions(TypedDict, total=False):
    """What `@background(...)` and `with_options(...)` take; None always means "not given".

    `delay_seconds`: not before so many seconds have passed. `priority`: higher runs first. `queue`: the name
    of the line it waits in. `retries`: further attempts after one that raised; `backoff`: the wait between
    them (seconds, or a `Backoff`); `retry_on`: only after these exceptions. `timeout`: seconds an attempt
    may take. `isolate="process"`: run in a process of its own, which is killed on timeout and cancel.
    `expires`: seconds after which it is not worth starting any more; it is CANCELLED then. `unique`: True
    (same task and arguments), a key, or a function of the arguments that gives the key: while one with that
    key waits or runs, and for `unique_for` seconds after it was submitted, submitting answers with its id.
    `rate`: starts at most that often, such as `"10/s"` or `"100/m"`. `on_crash="fail"`: do not run it again
    when its process died in the midst of it. `result_ttl`: seconds its result is kept.
    """

    delay_seconds: float | None
    priority: Priority | None
    queue: str | None
    retries: int | None
    backoff: Backoff | float | None
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None
    timeout: float | None
    isolate: Literal["process"] | None
    expires: float | None
    unique: Unique | None
    unique_for: float | None
    rate: str | None
    on_crash: Literal["retry", "fail"] | None
    result_ttl: float | None


class CallOptions(TaskOptions, total=False):
    """`TaskOptions`, and what belongs to one call. `task_id`: the id to give the task; submitting an id that
    is known already adds nothing. `connection`: submit within the transaction that is open on it, to the same
    PostgreSQL database (docs/postgres.md)."""

    task_id: str | None
    connection: object


class Options(msgspec.Struct, frozen=True):
    """Checked options: `rules` are the part that goes with the task, the rest is used up by submitting."""

    delay_seconds: float = 0.0
    task_id: str | None = None
    unique: Unique | None = None
    connection: object = None
    rules: Rules = Rules()

    def but(self, **given: Any) -> Options:
        """These options with the given ones (not None) changed. Raises InvalidOption."""
        changes: dict[str, Any] = {}
        rules: dict[str, Any] = {}
        for name, value in given.items():
            if name not in _CHECKS:
                raise InvalidOption(f"there is no task option {name!r}{_suggestion(name)}.")
            if value is not None:
                target = changes if name in _OF_THE_CALL else rules
                target[name] = _CHECKS[name](name, value)
        if rules:
            changes["rules"] = msgspec.structs.replace(self.rules, **rules)
        options = msgspec.structs.replace(self, **changes) if changes else self
        if options.rules.unique_for is not None and options.unique is None:
            raise InvalidOption("unique_for says how long a task stays unique; it needs unique= as well.")
        return options

    def of_a_task(self) -> Options:
        """These options, as those of all calls of a task. Raises InvalidOption."""
        if self.task_id is not None:
            raise InvalidOption(
                "task_id belongs to one call, and a task has many; write with_options(task_id=…) at the call."
            )
        if self.connection is not None:
            raise InvalidOption(
                "connection belongs to one call, and a task has many; write with_options(connection=…) at "
                "the call."
            )
        return self


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, _CHECKS, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(_CHECKS))}"


def _seconds(name: str, value: object, *, positive: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOption(f"{name} must be a number of seconds, not {value!r}.")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0 or (positive and seconds == 0):
        least = "more than 0" if positive else "0 or more"
        raise InvalidOption(f"{name} must be finite and {least}, not {value!r}.")
    return seconds


def _some_seconds(name: str, value: object) -> float:
    return _seconds(name, value, positive=True)


def _priority(name: str, value: object) -> int:
    if isinstance(value, str) and value in PRIORITIES:
        return PRIORITIES[value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _HIGHEST:
        return int(value)
    raise InvalidOption(
        f"priority must be one of {', '.join(map(repr, PRIORITIES))} or an int of 32 bits, not {value!r}."
    )


def queue_name(name: str, value: object) -> str:
    """The name of a queue. Raises InvalidOption."""
    if isinstance(value, str) and _QUEUE.match(value):
        return str(value)
    raise InvalidOption(f"{name} must be 1 to 64 letters, digits or '_.-', not {value!r}.")


def _retries(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST:
        raise InvalidOption(f"retries must be a whole number, 0 or more, not {value!r}.")
    return value


def _backoff(name: str, value: object) -> Backoff:
    if isinstance(value, Backoff):
        _seconds("Backoff.first", value.first)
        _seconds("Backoff.longest", value.longest)
        if _seconds("Backoff.factor", value.factor) < 1:
            raise InvalidOption(f"Backoff.factor must be 1 or more, not {value.factor!r}.")
        return value
    seconds = _seconds("backoff", value)
    return Backoff(first=seconds, factor=1.0, longest=seconds, jitter=False)


def _retry_on(name: str, value: object) -> tuple[str, ...]:
    kinds = value if isinstance(value, tuple) else (value,)
    if not kinds or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise InvalidOption(f"retry_on must be an exception class or a tuple of them, not {value!r}.")
    return tuple(exception_name(kind) for kind in kinds)


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        if value not in allowed:
            raise InvalidOption(f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}.")
        return str(value)

    return check


def _isolate(name: str, value: object) -> bool:
    if value == "process":
        return True
    raise InvalidOption(f"isolate must be 'process', not {value!r}.")


def _unique(name: str, value: object) -> Unique:
    if isinstance(value, bool) or callable(value):
        return value
    if isinstance(value, str) and is_storable_text(value, 256):
        return value
    raise InvalidOption(
        "unique must be True, a key of at most 256 characters (none of them NUL or half of one), or a "
        f"function that gives one, not {value!r:.300}."
    )


def _rate(name: str, value: object) -> float:
    match = _RATE.match(value) if isinstance(value, str) else None
    if match is not None and (seconds := float(match[2] or 1) * _UNITS[match[3]]):
        rate = float(match[1]) / seconds
        if _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            return rate
    raise InvalidOption(
        "rate must be starts per time such as '10/s' or '5/10s', at least one in a hundred years, "
        f"not {value!r:.80}."
    )


def _task_id(name: str, value: object) -> str:
    if not is_valid_id(value):
        raise InvalidOption(f"task_id must be 1 to 128 letters, digits or '_.:-', not {value!r}.")
    return str(value)


def _connection(name: str, value: object) -> object:
    return value  # the store knows what it can do with it


_OF_THE_CALL = {"connection", "delay_seconds", "task_id", "unique"}
_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "delay_seconds": _seconds,
    "priority": _priority,
    "queue": queue_name,
    "retries": _retries,
    "backoff": _backoff,
    "retry_on": _retry_on,
    "timeout": _some_seconds,
    "isolate": _isolate,
    "expires": _some_seconds,
    "unique": _unique,
    "unique_for": _some_seconds,
    "rate": _rate,
    "on_crash": _one_of("retry", "fail"),
    "result_ttl": _seconds,
    "task_id": _task_id,
    "connection": _connection,
}
