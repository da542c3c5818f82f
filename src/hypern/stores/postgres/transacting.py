"""A writing connection: pieces of work are done in batches, again where that is harmless, and told what went
wrong where it did."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import psycopg

from hypern.errors import QueueUnavailable
from hypern.stores.durable.crashing import crash_point
from hypern.stores.durable.pieces import Piece, Uncertain
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.trouble import Kind, kind, unavailable

logger = logging.getLogger("hypern.tasks")

_CLASHES = 10


class Batch:
    """Work that is done together with other work of the same class, in one statement that commits itself.

    `was_sent`: it may have been done already, by a statement that was not answered. `is_alone`: it is a
    transaction of its own.
    """

    was_sent = False
    is_alone = False

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        """The result of each."""
        raise NotImplementedError


class Nothing(Batch):
    """No work of its own: what is in line is written with it."""

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        return [None] * len(works)


class Transactions:
    """One connection (`durable.pieces.Transactions`). A piece of work is a `Batch`, or a function of the link
    that may be called more than once. `order`: classes whose batches come before everything else."""

    def __init__(self, database: Database, purpose: str, order: tuple[type[Batch], ...] = ()) -> None:
        self.name = database.address.shown
        self.nothing: Any = Nothing()
        self.kept: list[Piece] = []
        self._database = database
        self._purpose = purpose
        self._order = order
        self._link: Link | None = None

    def write(self, pieces: list[Piece], done: list[Piece]) -> None:
        for group in self._groups(pieces):
            self._do(group, done)
            for piece in group:
                pieces.remove(piece)

    def clean_up(self) -> bool:
        # Each batch commits itself. What was interrupted is done again, unless somebody waited for it.
        return False

    def close(self) -> None:
        self._database.links.close(self._link)

    def _groups(self, pieces: list[Piece]) -> Iterable[list[Piece]]:
        batches: dict[Any, list[Piece]] = {cls: [] for cls in self._order}
        for number, piece in enumerate(pieces):
            goes_together = isinstance(piece.work, Batch) and not piece.work.is_alone
            batches.setdefault(type(piece.work) if goes_together else number, []).append(piece)
        return [group for group in batches.values() if group]

    def _do(self, group: list[Piece], done: list[Piece]) -> None:
        try:
            results = self._results(group)
        except QueueUnavailable as error:
            self._fail(group, done, error)
        except Exception as error:
            if len(group) == 1:
                group[0].result, group[0].error = None, error
                done.extend(group)
                return
            # It is the fault of one of them; the others do not suffer for it.
            for piece in group:
                self._do([piece], done)
        else:
            for piece, result in zip(group, results, strict=True):
                piece.result, piece.error = result, None
            done.extend(group)

    def _results(self, group: list[Piece]) -> list[Any]:
        """Do it, with all patience. Raises QueueUnavailable if it cannot be done now, else what the work
        raises, or the server says of it."""
        deadline = time.monotonic() + self._database.address.patience
        clashes_left = _CLASHES
        while True:
            link = self._connected(group)
            try:
                crash_point("before-commit")
                results = _done(link, group)
                crash_point("after-commit")
                return results
            except psycopg.Error as error:
                match kind(error, link.closed):
                    case Kind.WRONG:
                        raise
                    case Kind.LOST:
                        self._lose(group)
                        is_tried_again = time.monotonic() < deadline
                    case Kind.CLASH:
                        is_tried_again = clashes_left > 0
                        clashes_left -= 1
                    case Kind.REFUSED:
                        is_tried_again = False
                if not is_tried_again:
                    raise unavailable(self._database.address, error) from error
            except Exception:
                raise
            except BaseException:
                self._lose(group)
                raise

    def _connected(self, group: list[Piece]) -> Link:
        if self._link is None or self._link.closed:
            # What can wait does not keep the line waiting.
            patience = 0.0 if all(piece.persistent for piece in group) else None
            self._link = self._database.connect(self._purpose, patience)
        return self._link

    def _let_go(self) -> None:
        self._database.links.close(self._link)
        self._link = None

    def _lose(self, group: list[Piece]) -> None:
        """Nobody knows how far the server has come with it."""
        self._let_go()
        for piece in group:
            if isinstance(piece.work, Batch):
                piece.work.was_sent = True

    def _fail(self, group: list[Piece], done: list[Piece], trouble: QueueUnavailable) -> None:
        """What was posted to be done whenever it can be goes back into line; the others have failed."""
        kept = [piece for piece in group if piece.persistent]
        for piece in group:
            if not piece.persistent:
                was_sent = getattr(piece.work, "was_sent", False)
                piece.error = Uncertain(str(trouble)) if was_sent else trouble
                piece.error.__cause__ = trouble.__cause__
                done.append(piece)
        if kept:
            self.kept.extend(kept)
            logger.error(
                "%s %d outcomes are kept and written as soon as that is possible.", trouble, len(kept)
            )


def _done(link: Link, group: list[Piece]) -> list[Any]:
    work = group[0].work
    if isinstance(work, Batch):
        return type(work).do(link, [piece.work for piece in group])
    return [work(link)]
