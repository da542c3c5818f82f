"""What a piece of work writes to."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypern.stores.durable.states import RUNNING


class Transaction:
    """What a piece of work writes to. `counts`: changes of the numbers per queue and state of what runs
    or has ended, written at the end, once for all pieces."""

    __slots__ = ("connection", "counts", "execute")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.counts: Counter[tuple[str, int]] = Counter()

    def moved(self, queue: str, before: int | None, after: int | None) -> None:
        """A task of `queue` has gone from one state to another (None: to nowhere)."""
        if before is not None and before >= RUNNING:
            self.counts[queue, before] -= 1
        if after is not None and after >= RUNNING:
            self.counts[queue, after] += 1


Work = Callable[[Transaction], Any]
