"""A piece of work for the writing connection, and the transaction that it becomes a part of."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypern.errors import QueueUnavailable
from hypern.stores.sqlite import statements as sql


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
        if before is not None and before >= sql.RUNNING:
            self.counts[queue, before] -= 1
        if after is not None and after >= sql.RUNNING:
            self.counts[queue, after] += 1


Work = Callable[[Transaction], Any]
Then = Callable[[Any, BaseException | None], None]


class Uncertain(QueueUnavailable):
    """The commit itself failed: what was to be written may be there, or not."""


class Piece:
    """One piece of work. It may be done more than once if a transaction fails; it raises a TaskError only
    before it has written anything. `then`: called with its result once that is committed, or with None and
    the error; without it, somebody waits. `persistent`: whatever the trouble, it is tried until it is done.
    """

    __slots__ = ("durable", "error", "is_told", "leads", "persistent", "result", "then", "wait", "work")

    def __init__(self, work: Work, durable: bool, persistent: bool = False, then: Then | None = None) -> None:
        self.work = work
        self.durable = durable
        self.persistent = persistent
        self.then = then
        self.result: Any = None
        self.error: BaseException | None = None
        self.wait: threading.Lock | None = None
        self.leads = False
        self.is_told = False
