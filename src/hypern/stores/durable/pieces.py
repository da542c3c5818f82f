"""A piece of work for the writing connection of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from hypern.errors import QueueUnavailable

Then = Callable[[Any, BaseException | None], None]


class Uncertain(QueueUnavailable):
    """The commit itself failed: what was to be written may be there, or not."""


class Amid(QueueUnavailable):
    """A signal handler, or a finaliser, wants something written while its own thread is at just that: it
    would wait for itself, and everybody else for it."""


class Piece:
    """One piece of work. `work`: what is to be done, in a form that the store's `Transactions` knows; it may
    be done more than once if a transaction fails. `then`: called with its result once that is committed, or
    with None and the error; without it, somebody waits. `persistent`: whatever the trouble, it is tried
    until it is done.
    """

    __slots__ = ("durable", "error", "is_told", "leads", "persistent", "result", "then", "wait", "work")

    def __init__(self, work: Any, durable: bool, persistent: bool = False, then: Then | None = None) -> None:
        self.work = work
        self.durable = durable
        self.persistent = persistent
        self.then = then
        self.result: Any = None
        self.error: BaseException | None = None
        self.wait: threading.Lock | None = None
        self.leads = False
        self.is_told = False


class Transactions(Protocol):
    """A writing connection, used by one thread at a time. `name`: of the store, for messages. `kept`:
    persistent pieces that could not be written now; whoever reads them takes them away. `nothing`: work
    that does nothing."""

    name: str
    kept: list[Piece]
    nothing: Any

    def write(self, pieces: list[Piece], done: list[Piece]) -> None:
        """One transaction. Those that are through, one way or the other, go over to `done`."""
        ...

    def clean_up(self) -> bool:
        """Something was raised in the midst of `write`: undo what has not been committed. Whether it was."""
        ...
