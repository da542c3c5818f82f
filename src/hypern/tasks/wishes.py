"""What a task can return, or raise, instead of a value: to be run again, later, or not at all."""

from __future__ import annotations

import math
from typing import Any, final

from hypern.errors import InvalidOption
from hypern.records import Cancelled, Wanted
from hypern.tasks.ids import storable_text


class Wish(Exception):
    """Base of `Retry`, `Snooze` and `Cancel`, which have no subclasses: what is returned is looked at by its
    exact class. Their reduced form carries all that they were made with, so they can be copied."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.__module__ != __name__:
            raise TypeError(f"{cls.__bases__[0].__name__} cannot be subclassed; give it a reason instead.")
        super().__init_subclass__(**kwargs)

    def outcome(self) -> Wanted | Cancelled:
        """The wish as an outcome of the attempt."""
        raise NotImplementedError


@final
class Retry(Wish):
    """Run me again, in `delay` seconds (unless given: as the task's backoff says). This attempt is spent:
    when `retries` are used up, the task is FAILED."""

    def __init__(self, delay: float | None = None, reason: str = "") -> None:
        self.delay = None if delay is None else _seconds("Retry", delay)
        self.reason = _words("Retry", reason)
        super().__init__(self.reason or "to be tried again")

    def __reduce__(self) -> tuple[type[Retry], tuple[float | None, str]]:
        return Retry, (self.delay, self.reason)

    def outcome(self) -> Wanted:
        return Wanted(self.delay, True, f"Retry: {self.reason}" if self.reason else "Retry")


@final
class Snooze(Wish):
    """Run me again in `seconds`; this attempt does not count."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        self.seconds = _seconds("Snooze", seconds)
        self.reason = _words("Snooze", reason)
        super().__init__(self.reason or "to be run later")

    def __reduce__(self) -> tuple[type[Snooze], tuple[float, str]]:
        return Snooze, (self.seconds, self.reason)

    def outcome(self) -> Wanted:
        return Wanted(self.seconds, False, f"Snooze: {self.reason}" if self.reason else "Snooze")


@final
class Cancel(Wish):
    """There is nothing to do, or no use in doing it: the task is CANCELLED, `reason` is kept."""

    def __init__(self, reason: str = "") -> None:
        self.reason = _words("Cancel", reason)
        super().__init__(self.reason or "cancelled by the task itself")

    def __reduce__(self) -> tuple[type[Cancel], tuple[str]]:
        return Cancel, (self.reason,)

    def outcome(self) -> Cancelled:
        return Cancelled(self.reason or "cancelled by the task itself")


def _seconds(name: str, value: float) -> float:
    try:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        seconds = float(value) if is_number else math.nan
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidOption(f"{name}() takes a finite number of seconds, 0 or more, not {value!r:.80}.")
    return seconds


def _words(name: str, reason: object) -> str:
    if not isinstance(reason, str):
        raise InvalidOption(f"{name}() takes its reason as a str, not {type(reason).__name__}.")
    return storable_text(reason[:2000])
