"""Company: whether somebody who could write at once waits a moment for others to write with.

Threads that submit one task after the other come back right after they have been told. If the first one back
does not wait for them, they fall into two groups that take turns, and each transaction is half as full as it
could be (what PostgreSQL has `commit_siblings` and `commit_delay` for).
"""

from __future__ import annotations

# What one thread may take to come back (seconds), and how long to wait for all of them at most.
_EACH = 0.00005
_LONGEST = 0.002
# After waits that were in vain, so many transactions at most go without.
_MOST_WITHOUT = 64


class Company:
    """`expected`: how many will probably stand in line soon; 1: nobody but whoever asks. Used by one thread
    at a time."""

    def __init__(self) -> None:
        self.expected = 1
        self._seconds = 0.0
        self._without = 0
        self._penalty = 0

    def wrote(self, number: int, seconds: float) -> None:
        """A transaction took so long; so many threads waited for it, or wait now for the next one."""
        self.expected = number
        self._seconds = seconds

    def patience(self, present: int) -> float:
        """How long (seconds) to wait until there are as many as expected; 0.0: do not wait."""
        if present >= self.expected:
            return 0.0
        if self._without:
            self._without -= 1
            return 0.0
        return min(_LONGEST, self._seconds + _EACH * self.expected)

    def came(self) -> None:
        """All of them came in time."""
        self._penalty = 0

    def stayed_away(self, present: int) -> None:
        """They did not; so many were there in the end. Unless it was worth the wait, there will be less of
        that."""
        if 4 * present > 3 * self.expected:
            return
        self._penalty = min(_MOST_WITHOUT, 2 * self._penalty or 1)
        self._without = self._penalty
