"""Telling what became of work: those who wait for it are woken, and those who do not are called."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable

from hypern.stores.durable.pieces import Piece

logger = logging.getLogger("hypern.tasks")

_MAIN = threading.main_thread().ident


class Teller:
    """`inside`: threads in the midst of writing. `ring`: wakes the writer's own thread, to which the main
    thread leaves some. `untold`: posted pieces of which nothing has been told yet."""

    def __init__(self, inside: set[int], ring: Callable[[], None]) -> None:
        self.untold: set[Piece] = set()
        # There is no thread any more that the main thread could leave something to.
        self.is_alone = False
        self._inside = inside
        self._ring = ring
        self._later: deque[Piece] = deque()

    def tell(self, done: list[Piece]) -> None:
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
        if threading.get_ident() == _MAIN and not self.is_alone:
            self._later.extend(later)
            self._ring()
            return
        self._inside.discard(threading.get_ident())  # they may write, too
        self._call(later)

    def tell_later_ones(self) -> None:
        while self._later:
            self._call([self._later.popleft()])

    def _call(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.then is None or piece.is_told:
                continue
            piece.is_told = True
            try:
                piece.then(piece.result, piece.error)
            except BaseException:
                logger.exception("telling what became of a task failed")
            finally:
                self.untold.discard(piece)
