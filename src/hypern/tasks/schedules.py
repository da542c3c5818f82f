"""When something recurs: every so many seconds, or by a cron expression in a time zone. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from hypern.errors import InvalidOption

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week")
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Schedule(Protocol):
    """Ticks: whole wall-clock seconds (UTC) that depend on nothing but the schedule, so that all processes
    agree on them. `words`: the schedule for people."""

    @property
    def words(self) -> str: ...

    def after(self, wall: float) -> float | None:
        """The first tick later than `wall`; None: there is none in the next fifty years."""

    def latest(self, wall: float) -> float | None:
        """The last tick that is not later than `wall`; None: there was none in fifty years."""


class Every:
    """Ticks at the multiples of `seconds` since the epoch. Raises InvalidOption."""

    def __init__(self, seconds: float) -> None:
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not is_number or not math.isfinite(seconds) or seconds < 1 or seconds != int(seconds):
            raise InvalidOption(
                f"every(seconds=…) takes a whole number of seconds, 1 or more, not {seconds!r}."
            )
        self._seconds = int(seconds)

    @property
    def words(self) -> str:
        size, unit = next((size, unit) for size, unit in _UNITS if self._seconds % size == 0)
        number = self._seconds // size
        return f"every {unit}" if number == 1 else f"every {number} {unit}s"

    def after(self, wall: float) -> float | None:
        return float(math.floor(wall) // self._seconds * self._seconds + self._seconds)

    def latest(self, wall: float) -> float | None:
        return float(math.floor(wall) // self._seconds * self._seconds)


class Cron:
    """Ticks where the clocks of `tz` show what `expression` says. Raises InvalidOption, naming the field.

    Where clocks are put forward, a time that they leave out ticks at the first moment after the gap; where
    they are put back, a time that comes twice ticks the first time only. An expression whose minute or hour
    begins with `*`, or that has seconds, goes by the time that passes instead. (As Debian's cron does.)
    """

    def __init__(self, expression: str, tz: str = "UTC") -> None:
        if not isinstance(expression, str):
            raise InvalidOption(f"cron() takes an expression such as '0 3 * * *', not {expression!r}.")
        self._expression = _ALIASES.get(expression.strip().lower(), expression)
        self._zone = _zone(tz)
        self._tz = tz
        try:
            self._words = CronSim(self._expression, datetime.now(self._zone)).explain()
        except CronSimError as error:
            raise InvalidOption(_complaint(expression, self._expression.split(), str(error))) from None
        if self.after(0.0) is None:
            raise InvalidOption(f"cron({expression!r}): there is no such day.")

    @property
    def words(self) -> str:
        return f"{self._words[:1].lower()}{self._words[1:]} ({self._tz})"

    def after(self, wall: float) -> float | None:
        moments = CronSim(self._expression, datetime.fromtimestamp(math.floor(wall), self._zone))
        for moment in moments:
            # In the second one of two equal hours, those of the first are found once more.
            if (found := moment.timestamp()) > wall:
                return found
        return None

    def latest(self, wall: float) -> float | None:
        start = datetime.fromtimestamp(math.floor(wall) + 1, self._zone)
        moments = (moment.timestamp() for moment in CronSim(self._expression, start, reverse=True))
        found = next((moment for moment in moments if moment <= wall), None)
        # Going backwards, a tick between two equal hours may have been passed over.
        while found is not None and (later := self.after(found)) is not None and later <= wall:
            found = later
        return found


def _zone(tz: str) -> tzinfo:
    if tz == "UTC":
        return UTC
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise InvalidOption(
            f"tz must be the name of a time zone such as 'Europe/Berlin', not {tz!r}."
        ) from None


def _complaint(expression: str, parts: list[str], error: str) -> str:
    field = error.removeprefix("Bad ")
    names = ("second", *_FIELDS) if len(parts) == 6 else _FIELDS
    if field not in names:
        return (
            f"cron({expression!r}) must have five fields ({', '.join(_FIELDS)}), or six that begin with the "
            f"second, or be one of {', '.join(_ALIASES)}."
        )
    return f"cron({expression!r}): {parts[names.index(field)]!r} cannot be its {field}."
