"""Group commit: what several threads want to write at the same time is written in one transaction."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from hypern.errors import QueueUnavailable, TaskError
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.crashing import crash_point
from hypern.stores.sqlite.database import PATIENCE, Database
from hypern.stores.sqlite.trouble import describe, is_busy, is_environmental, primary_code, unavailable

logger = logging.getLogger("hypern.tasks")

_AT_ONCE = 1000
_PAUSE_AFTER_TROUBLE = 0.5


class Transaction:
    """What a piece of work writes to. `counts`: changes of the numbers per queue and state, written at the
    end, once for all pieces."""

    __slots__ = ("connection", "counts", "execute")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.counts: Counter[tuple[str, int]] = Counter()

    def moved(self, queue: str, before: int | None, after: int | None) -> None:
        """A task of `queue` has gone from one state to another (None: from or to nowhere)."""
        if before is not None:
            self.counts[queue, before] -= 1
        if after is not None:
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

    __slots__ = ("durable", "error", "has_led", "leads", "persistent", "result", "then", "wait", "work")

    def __init__(self, work: Work, durable: bool, persistent: bool = False, then: Then | None = None) -> None:
        self.work = work
        self.durable = durable
        self.persistent = persistent
        self.then = then
        self.result: Any = None
        self.error: BaseException | None = None
        self.wait: threading.Lock | None = None
        self.leads = False
        self.has_led = False


def _nothing(transaction: Transaction) -> None:
    """No work of its own: what is in line is written with it."""


class Writer:
    """The writing connection of a process, and the line of those who want to use it.

    Whoever finds nobody writing leads: writes what is in line, his own and that of others, in one
    transaction, and then hands the lead on. So a lone writer needs no other thread, and many share the one
    wait for the disk. A thread of its own leads for those who do not wait.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.Lock()
        self._line: deque[Piece] = deque()
        self._leading = False
        self._synchronous = ""
        self._closing = False
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        # Posted pieces whose `then` has not been called.
        self._untold = 0

    def run(self, work: Work, durable: bool = True) -> Any:
        """Do `work` in a transaction; return what it returns when that is committed, and, if `durable`, on
        disk. Raises what `work` raises, QueueUnavailable, or Uncertain."""
        piece = Piece(work, durable)
        try:
            wait = self._stand_in_line(piece)
            if wait is not None:
                wait.acquire()
            if piece.leads:
                self._lead(piece)
        except BaseException:
            # A signal handler has raised (Ctrl-C). The work may still be done; nobody waits for it.
            with self._mutex:
                piece.wait = None
            if piece.leads and not piece.has_led:
                self._hand_on()
            raise
        if piece.error is not None:
            raise piece.error
        return piece.result

    def post(
        self, work: Work, then: Then, *, soon: bool = True, persistent: bool = False, durable: bool = True
    ) -> None:
        """Have `work` done without waiting for it. `soon=False`: it may wait a little for company."""
        piece = Piece(work, durable, persistent, then)
        with self._mutex:
            self._line.append(piece)
            self._untold += 1
        if soon:
            self.ring()

    def _stand_in_line(self, piece: Piece) -> threading.Lock | None:
        """What to wait at; None: `piece` leads."""
        with self._mutex:
            if self._leading:
                piece.wait = threading.Lock()
                piece.wait.acquire()
                self._line.append(piece)
                return piece.wait
            piece.leads = self._leading = True
            # Whoever leads is among those that are written next.
            if len(self._line) < _AT_ONCE:
                self._line.append(piece)
            else:
                self._line.appendleft(piece)
            return None

    def ring(self) -> None:
        """Have what is in line written now, by the thread that is there for it."""
        if self._thread is None:
            with self._mutex:
                if self._thread is None and not self._closing:
                    self._thread = threading.Thread(target=self._serve, name="hypern-writer", daemon=True)
                    self._thread.start()
        self._bell.set()

    def has_waiting(self) -> bool:
        return bool(self._line)

    def flush_here(self) -> None:
        """Write what is in line now, in this thread."""
        try:
            self.run(_nothing, durable=False)
        except QueueUnavailable:
            # What was in line stays there, and its own trouble has been logged.
            return

    def flush(self) -> None:
        """Return when all that was posted has been done and told, or the store is in trouble."""
        while self._untold:
            self.flush_here()
            if self._not_before > time.monotonic():
                return
            time.sleep(0.0002)

    def close(self, deadline: float) -> None:
        """Write what is in line, and end the thread, until `deadline` (of `time.monotonic`)."""
        self._closing = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            wait = self._not_before - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            with self._mutex:
                leads = bool(self._line) and not self._leading
                if leads:
                    self._leading = True
            if leads:
                try:
                    self._lead(None)
                except Exception:
                    logger.exception("writing to the task store failed")
                    self._not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
                    self._bell.set()
            if self._closing:
                return

    def _lead(self, own: Piece | None) -> None:
        pieces: list[Piece] = []
        try:
            if own is not None:
                own.has_led = True
            with self._mutex:
                while self._line and len(pieces) < _AT_ONCE:
                    pieces.append(self._line.popleft())
            self._write(pieces)
        except BaseException:
            self._roll_back()
            self._put_back([piece for piece in pieces if piece is not own])
            pieces = []
            raise
        finally:
            self._hand_on()
            for piece in pieces:
                self._tell(piece)

    def _tell(self, piece: Piece) -> None:
        if piece.then is not None:
            try:
                piece.then(piece.result, piece.error)
            except Exception:
                logger.exception("telling what became of a task failed")
            with self._mutex:
                self._untold -= 1
        elif piece.wait is not None:
            piece.wait.release()

    def _hand_on(self) -> None:
        wait = None
        with self._mutex:
            following = next((piece for piece in self._line if piece.wait is not None), None)
            if following is None:
                self._leading = False
                rest = bool(self._line)
            else:
                following.leads = True
                wait, following.wait = following.wait, None
                # Whoever leads is among those that are written next.
                self._line.remove(following)
                self._line.appendleft(following)
        if wait is not None:
            wait.release()
        elif rest and self._thread is not None:
            self._bell.set()

    def _put_back(self, pieces: list[Piece]) -> None:
        with self._mutex:
            self._line.extendleft(reversed(pieces))

    # -- one transaction ---------------------------------------------------------------------------

    def _write(self, pieces: list[Piece]) -> None:
        if not pieces:
            return
        try:
            self._database.check_identity()
            self._begin(any(piece.durable for piece in pieces))
            if not self._do(pieces):
                return
        except (sqlite3.Error, QueueUnavailable) as error:
            self._roll_back()
            self._fail(pieces, error)
            return
        crash_point("before-commit")
        try:
            self._database.writer().execute("COMMIT")
        except sqlite3.Error as error:
            in_doubt = not is_busy(error) and primary_code(error) != sqlite3.SQLITE_FULL
            self._roll_back()
            if in_doubt:
                self._database.reopen()
                self._synchronous = ""
            self._fail(pieces, error, in_doubt)
            return
        crash_point("after-commit")

    def _do(self, pieces: list[Piece]) -> bool:
        """Do all of them. False: one of them cannot be done at all; the others are back in line."""
        transaction = Transaction(self._database.writer())
        for piece in pieces:
            try:
                piece.result, piece.error = piece.work(transaction), None
            except QueueUnavailable:
                raise
            except TaskError as error:
                piece.error = error
            except Exception as error:
                if is_environmental(error):
                    raise
                self._roll_back()
                piece.error = error
                self._put_back([other for other in pieces if other is not piece])
                pieces[:] = [piece]
                return False
        for (queue, state), number in transaction.counts.items():
            if number:
                transaction.execute(sql.ADD_COUNT, (queue, state, number))
        return True

    def _begin(self, durable: bool) -> None:
        connection = self._database.writer()
        wanted = self._database.address.synchronous if durable else "normal"
        if wanted != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        deadline = time.monotonic() + PATIENCE
        pause = 0.0001
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                # SQLite's own waiting begins with a millisecond, five times as long as most transactions.
                time.sleep(pause)
                pause = min(pause * 1.5, 0.005)

    def _roll_back(self) -> None:
        # SQLite has done it itself after some errors, and a second one would hide the first.
        with contextlib.suppress(sqlite3.Error):
            if self._database.writer().in_transaction:
                self._database.writer().execute("ROLLBACK")

    def _fail(self, pieces: list[Piece], error: Exception, in_doubt: bool = False) -> None:
        """Tell those who wait. What was posted to be done whenever it can be goes back into line."""
        if isinstance(error, sqlite3.Error):
            address = self._database.address
            trouble = (
                Uncertain(f"the task store {address.path} failed while it was writing: {describe(error)}.")
                if in_doubt
                else unavailable(address, error)
            )
            trouble.__cause__ = error
        else:
            assert isinstance(error, QueueUnavailable)
            trouble = error
        kept = []
        for piece in pieces:
            if piece.persistent:
                kept.append(piece)
            else:
                piece.error = trouble
        if kept:
            self._not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
            self._put_back(kept)
            pieces[:] = [piece for piece in pieces if not piece.persistent]
            self.ring()
            logger.error(
                "%s %d outcomes are kept and written as soon as that is possible.", trouble, len(kept)
            )
