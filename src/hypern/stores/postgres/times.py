"""One clock: the server's. What a process knows of it, by its own.

Due times and leases are kept as seconds of the server's clock, so that it does not matter what the clocks
of the hosts say. A process knows the distance between its steady clock and that of the server only within
the time that a question to the server takes: a due time is written with the upper bound and looked at with
the lower one, so nothing ever starts too early.
"""

from __future__ import annotations

from typing import Protocol

from hypern.clock import Clock

# A better estimate is kept for so long (seconds): clocks drift apart.
_KEPT = 10.0
# So much (seconds) the difference of the clocks that people read must change to be taken over: the order of
# tasks must not hang on how quickly two clocks are read one after the other.
_STEP = 0.005


class Times(Protocol):
    """Between seconds of this process's clocks and those of the server."""

    def learn(self, before: float, server: float, after: float) -> None:
        """The server's clock said `server` at some moment between two of the steady clock."""
        ...

    def due(self, steady: float) -> float:
        """The second of the server's clock at which that of the steady clock has come for certain."""
        ...

    def passed(self, steady: float) -> float:
        """The second of the server's clock that has passed for certain by then."""
        ...

    def steady(self, server: float) -> float:
        """When `passed` has reached that second."""
        ...

    def about(self, server: float) -> float:
        """The steady-clock second from which `due` made this one, as nearly as is known."""
        ...

    def of_wall(self, wall: float) -> float:
        """A wall-clock second on the server's clock."""
        ...

    def waiting_since(self, wall: float) -> float:
        """The same, on the scale of due times."""
        ...


class ServerTime:
    """`clock`: this process's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._low = self._high = 0.0
        self._learned_at: float | None = None
        self._shift = 0.0

    def learn(self, before: float, server: float, after: float) -> None:
        low, high = server - after, server - before
        if (
            self._learned_at is None
            or high - low <= self._high - self._low
            or after > self._learned_at + _KEPT
            or low > self._high
            or high < self._low
        ):
            self._low, self._high, self._learned_at = low, high, after
        middle = (self._low + self._high) / 2
        shift = middle - (self._clock.wall() - self._clock.steady())
        if abs(shift - self._shift) > _STEP:
            self._shift = shift

    def due(self, steady: float) -> float:
        return steady + self._high

    def passed(self, steady: float) -> float:
        return steady + self._low

    def steady(self, server: float) -> float:
        return server - self._low

    def about(self, server: float) -> float:
        return server - self._high

    def of_wall(self, wall: float) -> float:
        return wall + self._shift

    waiting_since = of_wall


class OwnTime:
    """For tests in which time passes when they say so: their clock, whatever the server says.

    `clock`: its two seconds keep their distance.
    """

    def __init__(self, clock: Clock) -> None:
        self._distance = clock.wall() - clock.steady()

    def learn(self, before: float, server: float, after: float) -> None:
        pass

    def due(self, steady: float) -> float:
        return steady + self._distance

    passed = due

    def steady(self, server: float) -> float:
        return server - self._distance

    about = steady

    def of_wall(self, wall: float) -> float:
        return wall

    waiting_since = of_wall


class SameTime:
    """For tests that bring their own time: both clocks are the same, whatever the server says."""

    def learn(self, before: float, server: float, after: float) -> None:
        pass

    def due(self, steady: float) -> float:
        return steady

    passed = steady = about = of_wall = due

    def waiting_since(self, wall: float) -> float:
        # Tests count due times from nought, and wall-clock seconds from the epoch.
        return wall - 2e9
