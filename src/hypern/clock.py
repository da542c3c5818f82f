"""Time: what o'clock it is, how much time has passed, and waiting. Tests bring their own clock."""

from __future__ import annotations

import threading
import time
import weakref
from datetime import datetime, tzinfo
from typing import Protocol

# A sleeper looks at the clock again at least this often (seconds): a wait that the kernel measures on
# CLOCK_MONOTONIC does not notice that the machine was suspended.
LONGEST_WAIT = 1.0


def date_of(wall: float, zone: tzinfo | None = None) -> datetime | None:
    """A wall-clock second as a date, in this zone or that of the machine; None beyond the year 9999: a delay
    may be that long."""
    try:
        return datetime.fromtimestamp(wall, zone)
    except (OverflowError, ValueError, OSError):
        return None


class Alarm:
    """Something that a thread waits on until it is rung or a clock has reached a time."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        # Held unless it has been rung. A lock, because some wait hundreds of times a second, and waiting on
        # an Event takes three times as much work.
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:  # it has been rung already, and nobody has waited since
            return

    def wait(self, seconds: float | None) -> None:
        """Return when rung, after `seconds` real seconds, or after `LONGEST_WAIT`, whichever is first."""
        longest = LONGEST_WAIT if seconds is None else max(0.0, min(seconds, LONGEST_WAIT))
        self._lock.acquire(timeout=longest)


class Clock(Protocol):
    """What the engine asks of a clock.

    `wall()`: seconds since the epoch, UTC; for timestamps that people read. It may step.
    `steady()`: seconds that only move forward, also while the machine is suspended; for delays.
    `sleep_until(alarm, moment)`: return once `steady()` may have reached `moment` (`None`: never) or
    the alarm was rung. Returning early is allowed; callers look at the clock again.
    """

    def wall(self) -> float: ...

    def steady(self) -> float: ...

    def sleep_until(self, alarm: Alarm, moment: float | None) -> None: ...


_STEADY = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """The machine's clocks."""

    wall = staticmethod(time.time)

    @staticmethod
    def steady() -> float:
        return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)

    def sleep_until(self, alarm: Alarm, moment: float | None) -> None:
        alarm.wait(None if moment is None else max(0.0, moment - self.steady()))


class ManualClock:
    """A clock that moves only when told to: `advance(3600)` makes an hour pass at once.

    Whoever sleeps on it is woken by `advance`, so delayed tasks become due without waiting.
    """

    def __init__(self, wall: float | None = None) -> None:
        self._wall = time.time() if wall is None else wall
        self._steady = 0.0
        self._sleepers: weakref.WeakSet[Alarm] = weakref.WeakSet()
        self._lock = threading.Lock()

    def wall(self) -> float:
        return self._wall

    def steady(self) -> float:
        return self._steady

    def sleep_until(self, alarm: Alarm, moment: float | None) -> None:
        with self._lock:
            self._sleepers.add(alarm)
        if moment is not None and self._steady >= moment:
            return
        alarm.wait(None)

    def advance(self, seconds: float) -> None:
        """Let `seconds` (>= 0) pass.

        Raises ValueError: a negative number; time does not run backwards.
        """
        if not seconds >= 0:
            raise ValueError(f"advance() takes seconds >= 0, not {seconds!r}.")
        with self._lock:
            self._steady += seconds
            self._wall += seconds
            for alarm in self._sleepers:
                alarm.ring()
