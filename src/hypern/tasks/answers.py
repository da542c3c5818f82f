"""Submit, from a coroutine: what the store answers in a thread of its own reaches the loop that awaits it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

Answer = tuple["asyncio.Future[str | None]", str | None, BaseException | None]


class Answers:
    """The answers for what one event loop awaits. To wake a loop takes longer than to add a task, so it is
    woken once for all the answers that come together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._told: deque[Answer] = deque()
        self._is_rung = False

    def tell(
        self, kept: asyncio.Future[str | None], standing: str | None, error: BaseException | None
    ) -> None:
        """Settle `kept` in its loop. May be called from any thread."""
        self._told.append((kept, standing, error))
        if not self._is_rung:
            self._ring()

    def _ring(self) -> None:
        self._is_rung = True
        try:
            self.loop.call_soon_threadsafe(self._settle)
        except RuntimeError:  # it has been closed meanwhile: nobody awaits anything there
            self._told.clear()

    def _settle(self) -> None:
        # From here on, whoever tells something rings again.
        self._is_rung = False
        try:
            self._settle_all()
        finally:
            # A signal handler may have raised in between.
            if self._told:
                self._ring()

    def _settle_all(self) -> None:
        # Not within the `try` of `_settle`: Python 3.12 and 3.13 would pass its `finally` by, should a signal
        # handler raise at the end of a `while` (python/cpython#130279).
        while self._told:
            kept, standing, error = self._told.popleft()
            if kept.done():
                continue
            if error is None:
                kept.set_result(standing)
            else:
                kept.set_exception(error)


class _Local(threading.local):
    answers: Answers | None = None


_local = _Local()


def answers_for(loop: asyncio.AbstractEventLoop) -> Answers:
    """Those of `loop`, which runs in this thread."""
    answers = _local.answers
    if answers is None or answers.loop is not loop:
        answers = _local.answers = Answers(loop)
    return answers
