"""The line of those who want something written, and whose turn it is to write for all of them."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque

from hypern.stores.durable.bell import Bell
from hypern.stores.durable.company import Company
from hypern.stores.durable.pieces import Piece

_AT_ONCE = 1000


class Line:
    """Pieces of work in their order, and who leads: takes what is in line, and writes it.

    Whoever finds nobody leading does, and then hands the lead on. Where many come all the time, whoever is to
    lead gathers them first (`Company`), and the last to come leads: its thread is awake. The writer's own
    thread leads where nobody waits, and is rung for that (`bell`).
    """

    def __init__(self, bell: Bell) -> None:
        self.mutex = threading.Lock()
        self.pieces: deque[Piece] = deque()
        self.company = Company()
        # The writer's own thread, once it has been needed.
        self.thread: threading.Thread | None = None
        self.leader: Piece | threading.Thread | None = None
        # The leader, while it waits for others to come. One of them may take the lead over.
        self.gatherer: Piece | None = None
        # After trouble nobody goes on before (of `time.monotonic`).
        self.not_before = 0.0
        self._bell = bell

    def join(self, piece: Piece) -> threading.Lock | None:
        """What to wait at; None: `piece` leads."""
        wait = threading.Lock()
        wait.acquire()
        with self.mutex:
            self.pieces.append(piece)
            # The writer's own thread does not wait for itself: what it tells may lead to another piece.
            leads = self.leader is self.thread and threading.current_thread() is self.thread
            if self.leader is None or leads:
                self.leader = piece
                piece.leads = True
                return None
            if self.gatherer is not None and len(self.pieces) >= self.company.expected:
                self.company.came()
                # From here on `leave` hands the lead on, should a signal handler raise.
                self.leader = piece
                self.gatherer = None
                piece.leads = True
                return None
            piece.wait = wait
        return wait

    def gather(self, piece: Piece) -> None:
        """Wait a moment for those who will probably come. Afterwards `piece` leads, or has been written."""
        if not piece.durable or threading.current_thread() is self.thread:
            return
        wait = threading.Lock()
        wait.acquire()
        with self.mutex:
            patience = self.company.patience(len(self.pieces))
            if not patience:
                return
            piece.leads = False
            piece.wait = wait
            self.gatherer = piece
        is_told = wait.acquire(timeout=patience)
        with self.mutex:
            if self.gatherer is piece:
                self.company.stayed_away(len(self.pieces))
                self.gatherer = None
                piece.leads = True
                piece.wait = None
                return
        if not is_told:
            wait.acquire()

    def leave(self, piece: Piece) -> None:
        """Whoever waited for it does so no more."""
        with self.mutex:
            piece.wait = None
        self.hand_on(piece)

    def lead(self, thread: threading.Thread) -> bool:
        """Whether the writer's own thread leads: the lead has been handed to it, or nobody has it."""
        with self.mutex:
            if self.leader is None and self.pieces:
                self.leader = thread
            return self.leader is thread

    def hand_on(self, leader: Piece | threading.Thread, goes_on: bool = False) -> None:
        """`leader` leads no more; whoever waits first does. Nothing happens if it did not lead. `goes_on`: it
        leads on if there is more to write."""
        rest = False
        with self.mutex:
            if self.leader is leader:
                self.gatherer = None
                if goes_on and self.pieces and self.not_before <= time.monotonic():
                    return
                self.leader = next((piece for piece in self.pieces if piece.wait is not None), None)
                rest = bool(self.pieces) and self.leader is None
            follows = self.leader
            if isinstance(follows, Piece) and follows.wait is not None and follows is not self.gatherer:
                follows.leads = True
                with contextlib.suppress(RuntimeError):
                    follows.wait.release()
                follows.wait = None
        if rest and self.thread is not None:
            self._bell.ring()

    def take(self, pieces: list[Piece], own: Piece | None) -> None:
        """Let the first of them, and `own`, go over to `pieces`."""
        with self.mutex:
            # None is out of line before it is among `pieces`: a signal handler may raise in between.
            pieces.extend(itertools.islice(self.pieces, _AT_ONCE))
            for _ in range(len(pieces)):
                self.pieces.popleft()
            if own is not None and own not in pieces:
                pieces.append(own)
                self.pieces.remove(own)

    def put_back(self, pieces: list[Piece]) -> None:
        with self.mutex:
            standing = set(self.pieces)
            self.pieces.extendleft(itertools.filterfalse(standing.__contains__, reversed(pieces)))

    def count(self, done: list[Piece], seconds: float) -> None:
        """A transaction has taken so long: how many will probably come again?"""
        waited = sum(piece.then is None and piece.durable for piece in done)
        with self.mutex:
            self.company.wrote(waited + sum(piece.wait is not None for piece in self.pieces), seconds)
