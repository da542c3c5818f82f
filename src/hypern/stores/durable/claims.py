"""The tasks that this process has claimed: those that wait here for a moment, and those that run."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any

import msgspec

from hypern.records import Lane, TaskRecord

Row = tuple[Any, ...]

# So long the tasks that are claimed together should keep this process busy (seconds): long enough to share
# one transaction among many short ones, too short for another process to miss them.
AHEAD = 0.01
_MOST_AHEAD = 256
# What waits here longer than this (seconds) is let go, for another process may have time for it.
TOO_LONG = 0.05


class Claim(msgspec.Struct, eq=False):
    """One claimed task. `slot`: where it is noted as started."""

    record: TaskRecord
    seq: int
    fence: int
    slot: int
    queue: str
    place: float | None
    since: float


class Reserve:
    """Rows of one lane that have been claimed together and wait to be started here, and how many to claim
    the next time: as many as have lately been done in `ahead` seconds by each of `hands`."""

    def __init__(self, lane: Lane, hands: int, ahead: float) -> None:
        self.lane = lane
        self.hands = hands
        self._ahead = ahead
        self.rows: deque[Row] = deque()
        # Whether the tables may hold something for this lane. Set by whoever adds, cleared by looking.
        self.may_have_more = False
        self.filling = threading.Lock()
        self.asked = False
        self.taken_at = 0.0
        self._duration: float | None = None

    def take_hint(self) -> bool:
        """Whether there may be more; unless somebody says so again, there is not."""
        hint, self.may_have_more = self.may_have_more, False
        return hint

    def wanted(self) -> int:
        if self._duration is None:
            return self.hands
        return max(self.hands, min(_MOST_AHEAD, int(self.hands * self._ahead / max(self._duration, 1e-6))))

    def ended(self, seconds: float) -> None:
        """An attempt took so long; the estimate follows quickly upwards and slowly downwards."""
        known = self._duration
        if known is None:
            self._duration = seconds
        elif seconds > known:
            self._duration = known + (seconds - known) * 0.3
        else:
            self._duration = known + (seconds - known) * 0.1

    def take_last(self, number: int = sys.maxsize) -> list[Row]:
        """Take so many away from the end; all, unless a number is given."""
        rows: list[Row] = []
        while len(rows) < number:
            try:
                rows.append(self.rows.pop())
            except IndexError:
                break
        return rows

    def surplus(self) -> int:
        """How many of those that wait here will not be started soon, the last ones: all, if none was for a
        while; else what is beyond twice the number that would be claimed now."""
        waiting = len(self.rows)
        if not waiting:
            return 0
        if time.monotonic() - self.taken_at > TOO_LONG:
            return waiting
        return max(0, waiting - 2 * self.wanted())
