"""Group commit: what several threads want to write at the same time is written in one transaction."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from functools import partial
from typing import Any

from hypern.errors import QueueUnavailable
from hypern.stores.durable.bell import Bell
from hypern.stores.durable.interrupted import insist, is_beneath
from hypern.stores.durable.line import Line
from hypern.stores.durable.pieces import Amid, Piece, Then, Transactions
from hypern.stores.durable.telling import Teller

logger = logging.getLogger("hypern.tasks")

_PAUSE_AFTER_TROUBLE = 0.5


class Writer:
    """The writing connection of a process, for those who want to use it.

    Whoever finds nobody writing leads: writes what is in line, his own and that of others, in one
    transaction, and then hands the lead on (`Line`). So a lone writer needs no other thread, and many share
    the one wait for the disk. A thread of its own leads for those who do not wait.

    In the main thread a signal handler may raise (Ctrl-C) between any two steps. What must happen in any case
    is therefore written so that it can be done again, and is (`insist`). A handler that wants to write while
    its thread leads or waits beneath it is refused (`Amid`); it may leave its piece to be written later.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._bell = Bell()
        self._line = Line(self._bell)
        # Threads in the midst of `run`, `post` or `ring`, and what their signal handlers left.
        self._inside: set[int] = set()
        self._late: deque[Piece] = deque()
        self._teller = Teller(self._inside, self.ring)
        self._closing = False
        self._has_ended = False

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
            if (wait := self._line.join(piece)) is not None:
                wait.acquire()
            if piece.leads and self._line.company.expected > 1:
                self._line.gather(piece)
            if piece.leads:
                self._lead(piece, piece, done)
        except BaseException:
            # A signal handler has raised. The work may still be done; nobody waits for it.
            insist(partial(self._line.leave, piece), partial(self._teller.tell, done))
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
            with self._line.mutex:
                is_late = self._has_ended
                if not is_late:
                    self._line.pieces.append(piece)
                    self._teller.untold.add(piece)
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
        line = self._line
        if line.thread is None:
            with line.mutex:
                if line.thread is None and not self._closing:
                    line.thread = threading.Thread(target=self._serve, name="hypern-writer", daemon=True)
                    try:
                        line.thread.start()
                    except BaseException:
                        # For want of threads, or because of a signal handler: whoever rings next starts one.
                        line.thread = None
                        raise
        self._bell.ring()

    def has_waiting(self) -> bool:
        return bool(self._line.pieces)

    def eldest(self) -> Piece | None:
        """What has been in line longest."""
        return next(iter(self._line.pieces.copy()), None)

    def flush_here(self) -> None:
        """Write what is in line now, in this thread."""
        try:
            self.run(self._transactions.nothing, durable=False)
        except QueueUnavailable:
            # What was in line stays there, and its own trouble has been logged.
            return

    def flush(self) -> None:
        """Return when all that was posted has been done and told, or the store is in trouble."""
        while self._teller.untold:
            self.flush_here()
            if self._line.not_before > time.monotonic():
                return
            time.sleep(0.0002)

    def close(self, deadline: float) -> None:
        """Write what is in line, and end the thread, until `deadline` (of `time.monotonic`)."""
        self._closing = self._teller.is_alone = True
        self._bell.ring()
        if self._line.thread is not None:
            self._line.thread.join(max(0.0, deadline - time.monotonic()))
        while self._line.pieces and time.monotonic() < deadline:
            self.flush_here()
            if self._line.not_before > time.monotonic():
                break
        with self._line.mutex:
            self._has_ended = True

    def _serve(self) -> None:
        thread = threading.current_thread()
        while True:
            self._bell.wait()
            self._teller.tell_later_ones()
            wait = self._line.not_before - time.monotonic()
            if wait > 0 and not self._closing:
                time.sleep(wait)
            if self._line.lead(thread):
                try:
                    while self._line.leader is thread:
                        self._lead(thread, None, [])
                except Exception:
                    logger.exception("writing to the task store failed")
                    self._line.not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
                    self._line.hand_on(thread)
                    self._bell.ring()
            if self._closing:
                self._teller.tell_later_ones()
                return

    def _lead(self, leader: Piece | threading.Thread, own: Piece | None, done: list[Piece]) -> None:
        """Write what is in line, `own` among it, hand the lead on, and tell those who wait: all in `done`."""
        pieces: list[Piece] = []
        begun = time.monotonic()
        try:
            self._line.take(pieces, own)
            self._write(pieces, done)
            self._line.count(done, time.monotonic() - begun)
        except BaseException:
            insist(partial(self._clean_up, pieces, done, own))
            raise
        finally:
            # While it calls those who do not wait, its thread leads nobody: they may take their time.
            goes_on = own is None and all(piece.then is None for piece in done)
            insist(partial(self._line.hand_on, leader, goes_on), partial(self._teller.tell, done))

    def _write(self, pieces: list[Piece], done: list[Piece]) -> None:
        # Not within the `try` of `_lead`, see `interrupted`.
        while pieces:
            self._transactions.write(pieces, done)
            if self._transactions.kept:
                self._try_later()

    def _clean_up(self, pieces: list[Piece], done: list[Piece], own: Piece | None) -> None:
        """Something was raised in the midst of writing. What has not been written is back in line then."""
        if self._transactions.clean_up():
            done.extend(pieces)
        else:
            self._line.put_back([piece for piece in pieces if piece is not own and piece not in done])
        pieces.clear()

    def _try_later(self) -> None:
        kept, self._transactions.kept = self._transactions.kept, []
        self._line.not_before = time.monotonic() + _PAUSE_AFTER_TROUBLE
        self._line.put_back(kept)
        self.ring()


_RINGING = {Writer._ring.__code__}
_WORK = {Writer._run.__code__, Writer._post.__code__, *_RINGING}
