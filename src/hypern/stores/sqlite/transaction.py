"""What a piece of work writes to."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypern.stores.durable.states import PRUNED, RUNNING
from hypern.stores.pulse import Tally, beat_at


class Transaction:
    """What a piece of work writes to. `counts`: changes of the numbers per queue and state of what runs
    or has ended, and `tallies`: the pulse by beat and name; both are written at the end, once for all
    pieces."""

    __slots__ = ("connection", "counts", "execute", "tallies")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.counts: Counter[tuple[str, int]] = Counter()
        self.tallies: dict[tuple[int, str], Tally] = {}

    def moved(self, queue: str, before: int, after: int, number: int = 1) -> None:
        """So many tasks of `queue` have gone from one state to another."""
        if before >= RUNNING:
            self.counts[queue, before] -= number
        if after >= RUNNING:
            self.counts[queue, after] += number

    def pruned(self, queue: str, before: int) -> None:
        """A task of `queue` that had ended is forgotten."""
        self.moved(queue, before, PRUNED)

    def tally(self, name: str, wall: float) -> Tally:
        """Where what ends at that second is counted."""
        key = (beat_at(wall), name)
        found = self.tallies.get(key)
        if found is None:
            found = self.tallies[key] = Tally()
        return found


Work = Callable[[Transaction], Any]
