"""One transaction: pieces of work are done and committed together, and told what went wrong where it did."""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby

from hypern.errors import QueueUnavailable, TaskError
from hypern.stores.durable.crashing import crash_point
from hypern.stores.durable.pieces import Piece, Uncertain
from hypern.stores.sqlite import beats
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.adding import PlainAdding, add_together
from hypern.stores.sqlite.database import PATIENCE, Database
from hypern.stores.sqlite.endings import Recording, record_together
from hypern.stores.sqlite.transaction import Transaction, Work
from hypern.stores.sqlite.trouble import describe, is_busy, is_environmental, primary_code, unavailable

logger = logging.getLogger("hypern.tasks")

# After about so many pages in the log a checkpoint is made, which SQLite would do by itself, but see
# `Database.checkpoint`.
_CHECKPOINT_AFTER = 1000
# Who comes so soon (seconds) after others have waited in vain for the lock waits no longer than that.
_STILL_LOCKED = 1.0
_WAIT_WHEN_LOCKED = 0.25
# The store has answered that it is full, or that others have it: nothing was written, and the connection is
# as good as before.
_HARMLESS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)


class Transactions:
    """The writing connection of a database (`durable.pieces.Transactions`)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = str(database.address.path)
        self.nothing: Work = _nothing
        self.kept: list[Piece] = []
        # Those for whom a COMMIT was begun and has not failed; empty once they are all through.
        self._committing: list[Piece] = []
        self._locked_at = -math.inf
        self._synchronous = ""
        # Whether what could be done together is done apart, to see what is wrong with it.
        self._takes_apart = False
        # About how many pages this process has added to the log since its last checkpoint.
        self._frames = 0.0

    def write(self, pieces: list[Piece], done: list[Piece]) -> None:
        with self._database.connections.gate:
            self._transact(pieces, done)

    def clean_up(self) -> bool:
        if self._committing and not self._database.is_in_transaction():
            return True
        with self._database.connections.gate:
            self._roll_back()
        return False

    def _transact(self, pieces: list[Piece], done: list[Piece]) -> None:
        self._committing = []
        if self._frames >= _CHECKPOINT_AFTER:
            self._frames = 0.0
            with contextlib.suppress(sqlite3.Error, QueueUnavailable):
                self._begin(durable=False)
                self._database.checkpoint()
            self._roll_back()
        self._frames += 4 + len(pieces) / 4
        try:
            self._database.check_identity()
            self._begin(any(piece.durable for piece in pieces))
            bad = self._do(pieces)
        except (sqlite3.Error, QueueUnavailable) as error:
            self._roll_back()
            self._fail(pieces, done, error)
            return
        except _Apart:
            self._roll_back()
            self._takes_apart = True
            return
        self._takes_apart = False
        if bad is not None:
            # Without it the others are tried once more.
            self._roll_back()
            done.append(bad)
            pieces.remove(bad)
            return
        crash_point("before-commit")
        try:
            self._committing = pieces
            self._database.writer().execute("COMMIT")
        except sqlite3.Error as error:
            self._committing = []
            self._roll_back()
            self._fail(pieces, done, error, in_doubt=primary_code(error) not in _HARMLESS)
            return
        crash_point("after-commit")
        done.extend(pieces)
        pieces.clear()

    def _do(self, pieces: list[Piece]) -> Piece | None:
        """Do all of them, but for one that cannot be done at all, which is returned. Raises _Apart."""
        transaction = Transaction(self._database.writer())
        for piece in pieces if self._takes_apart else _do_together(transaction, pieces):
            try:
                piece.result, piece.error = piece.work(transaction), None
            except QueueUnavailable:
                raise
            except TaskError as error:
                piece.result, piece.error = None, error
            except Exception as error:
                if is_environmental(error):
                    raise
                piece.result, piece.error = None, error
                return piece
        for (queue, state), number in transaction.counts.items():
            if number:
                transaction.execute(sql.ADD_COUNT, (queue, state, number))
        if transaction.tallies:
            beats.write(transaction)
        return None

    def _begin(self, durable: bool) -> None:
        connection = self._database.writer()
        wanted = self._database.address.synchronous if durable else "normal"
        if wanted != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        now = time.monotonic()
        deadline = now + (_WAIT_WHEN_LOCKED if now < self._locked_at + _STILL_LOCKED else PATIENCE)
        pause = 0.0001
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() > deadline:
                    self._locked_at = time.monotonic()
                    raise
                # SQLite's own waiting begins with a millisecond, five times as long as most transactions.
                time.sleep(pause)
                pause = min(pause * 1.5, 0.001)

    def _roll_back(self) -> None:
        # SQLite has done it itself after some errors, and a second one would hide the first.
        with contextlib.suppress(sqlite3.Error):
            if self._database.is_in_transaction():
                self._database.writer().execute("ROLLBACK")

    def _fail(self, pieces: list[Piece], done: list[Piece], error: Exception, in_doubt: bool = False) -> None:
        """What was posted to be done whenever it can be goes back into line; the others have failed."""
        if isinstance(error, sqlite3.Error):
            address = self._database.address
            trouble = (
                Uncertain(f"the task store {address.path} failed while it was writing: {describe(error)}.")
                if in_doubt
                else unavailable(address, error)
            )
            trouble.__cause__ = error
            if primary_code(error) not in _HARMLESS:
                # After an I/O error a connection knows things that are not so.
                self._database.let_go_of_writer()
                self._synchronous = ""
        else:
            assert isinstance(error, QueueUnavailable)
            trouble = error
        self.kept = [piece for piece in pieces if piece.persistent]
        for piece in pieces:
            if not piece.persistent:
                piece.error = trouble
                done.append(piece)
        pieces.clear()
        if self.kept:
            logger.error(
                "%s %d outcomes are kept and written as soon as that is possible.", trouble, len(self.kept)
            )


def _nothing(transaction: Transaction) -> None:
    """No work of its own: what is in line is written with it."""


class _Apart(Exception):
    """One of those that were done together must be looked at by itself. Nothing is left of them after a
    ROLLBACK."""


def _do_together(transaction: Transaction, pieces: list[Piece]) -> Iterator[Piece]:
    """Do what can be done at once; what has to be done one by one is yielded when it is its turn. Raises
    _Apart."""
    added = [piece for piece in pieces if isinstance(piece.work, PlainAdding)]
    if len(added) > 1:
        rows = [piece.work.row for piece in added]
        _all_or_apart(added, None, partial(add_together, transaction, rows))
        pieces = [piece for piece in pieces if not isinstance(piece.work, PlainAdding)]
    # Not before what was in line before them: what a task said last was said before its end.
    for ends_together, group in groupby(pieces, _ends_together):
        ended = list(group)
        if ends_together and len(ended) > 1:
            recordings = [piece.work for piece in ended]
            _all_or_apart(ended, True, partial(record_together, transaction, recordings))
        else:
            yield from ended


def _ends_together(piece: Piece) -> bool:
    return isinstance(piece.work, Recording) and piece.work.can_be_done_together()


def _all_or_apart(pieces: list[Piece], result: bool | None, do: Callable[[], bool]) -> None:
    """All of them are done by `do()`, with this result, or none is."""
    try:
        are_done = do()
    except Exception as error:
        if is_environmental(error):
            raise
        raise _Apart from error
    if not are_done:
        raise _Apart
    for piece in pieces:
        piece.result, piece.error = result, None
