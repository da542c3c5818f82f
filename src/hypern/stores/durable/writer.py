"""Group commit: what several threads want to write at the same time is written in one transaction."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from typing import Any

from hypern.errors import QueueUnavailable
from hypern.stores.durable.company import Company
from hypern.stores.durable.interrupted import insist, is_beneath
from hypern.stores.durable.pieces import Amid, Piece, Then, Transactions

logger = logging.getLogger("hypern.tasks")

_AT_ONCE = 1000
_PAUSE_AFTER_TROUBLE = 0.5

_MAIN = threading.main_thread().ident


class Writer:
    """The writing connection of a process, and the line of those who want to use it.

    Whoever finds nobody writing leads: writes what is in line, his own and that of others, in one
    transaction, and then hands the lead on. So a lone writer needs no other thread, and many share the one
    wait for the disk. Where many come all the time, whoever is to lead gathers them first (`Company`), and
    the last to come leads: its thread is awake. A thread of its own leads for those who do not wait.

    In the main thread a signal handler may raise (Ctrl-C) between any two steps. What must happen in any case
    is therefore written so that it can be done again, and is (`insist`). A handler that wants to write while
    its thread leads or waits beneath it is refused (`Amid`); it may leave its piece to be written later.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._mutex = threading.Lock()
        self._line: deque[Piece] = deque()
        # Whose turn it is: a piece, or this object for the thread.
        self._leader: object | None = None
        # The leader, while it waits for others to come. One of them may take the lead over.
        self._gatherer: Piece | None = None
        self._company = Company()
        # Written, and to be told by the thread.
        self._to_tell: deque[Piece] = deque()
        self._closing = False
        self._has_ended = False
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        # Posted pieces whose `then` has not been called.
        self._untold = 0
        # Threads in the midst of `run`, `post` or `ring`, and what their signal handlers left.
        self._inside: set[int] = set()
        self._late: deque[Piece] = deque()

    def run(self, work: Any, durable: bool = True) -> Any:
        """Do `work` in a transaction; return what it returns when that is committed, and, if `durable`, on
        disk. Raises what `work` raises, QueueUnavailable, Uncertain, or Amid."""
        if self._is_interrupted():
            raise Amid(
                f"a signal handler, or a finaliser, met its thread writing to {self._transactions.name}; "
                "nothing was done. Do it in a thread that it starts, or use loop.add_signal_handler."
            )
        piece = Piece(work, durable)
        me = threading.get_ident()
        try:
            self._inside.add(me)
            self._run(piece)
        finally:
            self._inside.discard(me)
            self._write_late()
        if piece.error is not None:
            raise piece.error
        return piece.result

    def _run(self, piece: Piece) -> None:
        done: list[Piece] = []
        try:
            if (wait := self._stand_in_line(piece)) is not None:
                wait.acquire()
            if piece.leads and self._company.expected > 1:
                self._gather(piece)
            if piece.leads:
                self._lead(piece, piece, done)
        except BaseException:
            # A signal handler has raised. The work may still be done; nobody waits for it.
            insist(lambda: self._leave(piece), lambda: self._tell(done))
            raise

    def post(
        self, work: Any, then: Then, *, soon: bool = True, persistent: bool = False, durable: bool = True
    ) -> None:
        """Have `work` done without waiting for it. `soon=False`: it may wait a little for company."""
        piece = Piece(work, durable, persistent, then)
        if self._is_interrupted():
            self._late.append(piece)
            return
        self._post(piece)
        if soon:
            self.ring()

    def _post(self, piece: Piece) -> None:
        me = threading.get_ident()
        try:
            self._inside.add(me)
            with self._mutex:
                is_late = self._has_ended
                if not is_late:
                    self._line.append(piece)
                    self._untold += 1
        finally:
            self._inside.discard(me)
        if is_late and piece.then is not None:
            piece.then(None, QueueUnavailable(f"the task store {self._transactions.name} has been closed."))

    def write_later(self, work: Any, then: Then) -> None:
        """For whom `run` has refused with Amid: have it done when what was interrupted is through."""
        self._late.append(Piece(work, True, False, then))

    def _write_late(self) -> None:
        while self._late:
            with contextlib.suppress(IndexError):  # interrupted again, it may find nothing left to do
                self._post(self._late.popleft())
                self.ring()

    def _is_interrupted(self) -> bool:
        """Whether a signal handler, or a finaliser, calls in the midst of `run` or `post` of its thread."""
        return threading.get_ident() in self._inside and is_beneath(self, _WORK)

    def _stand_in_line(self, piece: Piece) -> threading.Lock | None:
        """What to wait at; None: `piece` leads."""
        wait = threading.Lock()
        wait.acquire()
        with self._mutex:
            self._line.append(piece)
            # The writer's own thread does not wait for itself: what it tells may lead to another piece.
            leads = self._leader is self and threading.current_thread() is self._thread
            if self._leader is None or leads:
                self._leader = piece
                piece.leads = True
                return None
            if self._gatherer is not None and len(self._line) >= self._company.expected:
                self._company.came()
                # From here on `_leave` hands the lead on, should a signal handler raise.
                self._leader = piece
                self._gatherer = None
                piece.leads = True
                return None
            piece.wait = wait
        return wait

    def _gather(self, piece: Piece) -> None:
        """Wait a moment for those who will probably come. Afterwards `piece` leads, or has been written."""
        if not piece.durable or threading.current_thread() is self._thread:
            return
        wait = threading.Lock()
        wait.acquire()
        with self._mutex:
            patience = self._company.patience(len(self._line))
            if not patience:
                return
            piece.leads = False
            piece.wait = wait
            self._gatherer = piece
        is_told = wait.acquire(timeout=patience)
        with self._mutex:
            if self._gatherer is piece:
                self._company.stayed_away(len(self._line))
                self._gatherer = None
                piece.leads = True
                piece.wait = None
                return
        if not is_told:
            wait.acquire()

    def _leave(self, piece: Piece) -> None:
        """Whoever waited for it does so no more."""
        with self._mutex:
            piece.wait = None
        self._hand_on(piece)

    def ring(self) -> None:
        """Have what is in line written now, by the thread that is there for it."""
        me = threading.get_ident()
        if me in self._inside:
            if not is_beneath(self, _RINGING):
                self._ring()
            return
        try:
            self._inside.add(me)
            self._ring()
        finally:
            self._inside.discard(me)
            self._write_late()

    def _ring(self) -> None:
        if self._thread is None:
            with self._mutex:
                if self._thread is None and not self._closing:
                    self._thread = threading.Thread(target=self._serve, name="hypern-writer", daemon=True)
                    self._thread.start()
        if not self._bell.is_set():
            self._bell.set()

    def has_waiting(self) -> bool:
        return bool(self._line)

    def flush_here(self) -> None:
        """Write what is in line now, in this thread."""
        try:
            self.run(self._transactions.nothing, durable=False)
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
        while self._line and time.monotonic() < deadline:
            self.flush_here()
            if self._not_before > time.monotonic():
                break
        with self._mutex:
            self._has_ended = True

    def _serve(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            self._tell_later_ones()
            wait = self._not_before - time.monotonic()
            if wait > 0 and not self._closing:
                time.sleep(wait)
            with self._mutex:
                leads = self._leader is self or (bool(self._line) and self._leader is None)
                if leads:
                    self._leader = self
            if leads:
                try:
                    while self._leader is self:
                        self._lead(self, None, [])
                except Exception:
                    logger.exception("writing to the task store failed")
                    self._not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
                    self._hand_on(self)
                    self._bell.set()
            if self._closing:
                self._tell_later_ones()
                return

    def _lead(self, leader: object, own: Piece | None, done: list[Piece]) -> None:
        """Write what is in line, `own` among it, hand the lead on, and tell those who wait: all in `done`."""
        pieces: list[Piece] = []
        begun = time.monotonic()
        try:
            self._take(pieces, own)
            self._write(pieces, done)
            self._count(done, time.monotonic() - begun)
        except BaseException:
            insist(lambda: self._clean_up(pieces, done, own))
            raise
        finally:
            # While it calls those who do not wait, its thread leads nobody: they may take their time.
            goes_on = leader is self and all(piece.then is None for piece in done)
            insist(lambda: self._hand_on(leader, goes_on), lambda: self._tell(done))

    def _write(self, pieces: list[Piece], done: list[Piece]) -> None:
        # Not within the `try` of `_lead`, see `interrupted`.
        while pieces:
            self._transactions.write(pieces, done)
            if self._transactions.kept:
                self._try_later()

    def _count(self, done: list[Piece], seconds: float) -> None:
        """A transaction has taken so long: how many will probably come again?"""
        waited = sum(piece.then is None and piece.durable for piece in done)
        with self._mutex:
            self._company.wrote(waited + sum(piece.wait is not None for piece in self._line), seconds)

    def _take(self, pieces: list[Piece], own: Piece | None) -> None:
        with self._mutex:
            # None is out of line before it is among `pieces`: a signal handler may raise in between.
            pieces.extend(itertools.islice(self._line, _AT_ONCE))
            for _ in range(len(pieces)):
                self._line.popleft()
            if own is not None and own not in pieces:
                pieces.append(own)
                self._line.remove(own)

    def _clean_up(self, pieces: list[Piece], done: list[Piece], own: Piece | None) -> None:
        """Something was raised in the midst of writing. What has not been written is back in line then."""
        if self._transactions.clean_up():
            done.extend(pieces)
        else:
            self._put_back([piece for piece in pieces if piece is not own and piece not in done])
        pieces.clear()

    def _tell(self, done: list[Piece]) -> None:
        """Wake those who wait, then call those who do not. In the main thread, where a signal handler could
        raise in the midst of it, the latter is left to the writer's own thread."""
        for piece in done:
            if piece.then is None and not piece.is_told:
                wait = piece.wait
                if wait is not None:
                    with contextlib.suppress(RuntimeError):
                        wait.release()
                piece.is_told = True
        later = [piece for piece in done if piece.then is not None and not piece.is_told]
        if not later:
            return
        if threading.get_ident() == _MAIN and not self._closing:
            self._to_tell.extend(later)
            self.ring()
            return
        self._inside.discard(threading.get_ident())  # they may write, too
        self._call(later)

    def _tell_later_ones(self) -> None:
        while self._to_tell:
            self._call([self._to_tell.popleft()])

    def _call(self, pieces: list[Piece]) -> None:
        told = 0
        try:
            for piece in pieces:
                if piece.then is None or piece.is_told:
                    continue
                piece.is_told = True
                told += 1
                try:
                    piece.then(piece.result, piece.error)
                except BaseException:
                    logger.exception("telling what became of a task failed")
        finally:
            with self._mutex:
                self._untold -= told

    def _hand_on(self, leader: object, goes_on: bool = False) -> None:
        """`leader` leads no more; whoever waits first does. Nothing happens if it did not lead. `goes_on`: it
        leads on if there is more to write."""
        rest = False
        with self._mutex:
            if self._leader is leader:
                self._gatherer = None
                if goes_on and self._line and self._not_before <= time.monotonic():
                    return
                self._leader = next((piece for piece in self._line if piece.wait is not None), None)
                rest = bool(self._line) and not isinstance(self._leader, Piece)
            follows = self._leader
            if isinstance(follows, Piece) and follows.wait is not None and follows is not self._gatherer:
                follows.leads = True
                with contextlib.suppress(RuntimeError):
                    follows.wait.release()
                follows.wait = None
        if rest and self._thread is not None:
            self._bell.set()

    def _try_later(self) -> None:
        kept, self._transactions.kept = self._transactions.kept, []
        self._not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
        self._put_back(kept)
        self.ring()

    def _put_back(self, pieces: list[Piece]) -> None:
        with self._mutex:
            standing = set(self._line)
            self._line.extendleft(itertools.filterfalse(standing.__contains__, reversed(pieces)))


_RINGING = {Writer._ring.__code__}
_WORK = {Writer._run.__code__, Writer._post.__code__, *_RINGING}
