"""A post that a child fills, and when the next one takes it when it is lost."""

from __future__ import annotations

from hypern.processes.child import Role
from hypern.processes.spawn import ChildProcess

# A child that was ready for so many seconds was well; losing it is no sign that the next will be lost soon.
_WELL = 10.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class Post:
    """One of the children asked for: who it is just now, and what became of those before."""

    def __init__(self, role: Role, number: int) -> None:
        self.role = role
        self.number = number
        self.child: ChildProcess | None = None
        self.start_at: float | None = None
        """When the next child is to be started, of `time.monotonic`; None: not by time."""
        self.was_ready = False
        """Whether any child of it was, since everything began (anew)."""
        self.stillborn = 0
        """How many ended before they were ready, since the last that was."""
        self._short_lives = 0

    def __str__(self) -> str:
        return f"{self.role} process {self.number}"

    @property
    def has_ready_child(self) -> bool:
        return self.child is not None and self.child.is_ready and not self.child.is_leaving

    def is_ready(self) -> None:
        """Its child does its work."""
        assert self.child is not None
        self.child.is_ready = self.was_ready = True
        self.stillborn = 0

    def lost(self, child: ChildProcess | None, now: float) -> None:
        """Its child has ended by itself, or could not be started: the next one follows at once, and after
        that with growing pauses, unless it lives for a while."""
        if child is None or not child.is_ready:
            self.stillborn += 1
        if child is not None and child.is_ready and now - child.started >= _WELL:
            self._short_lives = 0
        pause = 0.0
        if self._short_lives:
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._short_lives - 1, 10))
        self._short_lives += 1
        self.start_at = now + pause

    def clear(self) -> None:
        """Everything begins anew."""
        self.child = self.start_at = None
        self.was_ready = False
        self.stillborn = self._short_lives = 0
