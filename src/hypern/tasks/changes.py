"""Changes: who waits for something to happen to a task is told, whichever process makes it happen."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from hypern.clock import SystemClock
from hypern.errors import QueueUnavailable
from hypern.loops import Loop
from hypern.stores.base import Store
from hypern.stores.overview import Mark

logger = logging.getLogger("hypern.tasks")

# How often the store is looked at while somebody waits, and how often at least (seconds). In between, a look
# that takes long is followed by a pause so many times as long.
_EVERY, _AT_LEAST_EVERY = 0.02, 0.5
_REST = 50
_AFTER_TROUBLE = 1.0


class Changes:
    """Looks at the tasks that somebody waits for, all of them in one question to the store, and at nothing
    while nobody waits. One thread does that, begun with the first who waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._waiting: set[_Waiting] = set()
        self._task_ids: frozenset[str] | None = None
        # Somebody waits who has not been compared with the last marks.
        self._is_joined = False
        self._marks: dict[str, Mark] | None = None
        self._loop: Loop | None = None
        self._in_trouble = False

    async def differs(self, task_id: str, known: Mark | None, timeout: float | None = None) -> bool:
        """Wait until the task's mark is another one than `known` (None: the task is not kept). False: it is
        not after `timeout` seconds (None: wait for ever). Now and then it is True too early."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not told.done():
                told.set_result(None)

        waiting = _Waiting(task_id, known, loop, tell)
        self._join(waiting)
        try:
            await asyncio.wait({told}, timeout=timeout)
        finally:
            self._leave(waiting)
        return told.done()

    def differs_sync(self, task_id: str, known: Mark | None, timeout: float | None = None) -> bool:
        """As `differs`, for a thread that can wait."""
        told = threading.Event()
        waiting = _Waiting(task_id, known, None, told.set)
        self._join(waiting)
        try:
            return told.wait(timeout)
        finally:
            self._leave(waiting)

    def begin(self) -> Loop:
        """Start the thread now."""
        with self._lock:
            if self._loop is None:
                loop = Loop("hypern-changes", self._clock, self._look)
                loop.start()
                self._loop = loop
            return self._loop

    def stop(self, *, final: bool = False) -> None:
        """End the thread. Who comes later gets another one, and so does who still waits, unless it is
        `final`: the store is about to be closed."""
        with self._lock:
            loop, self._loop = self._loop, None
            waits = bool(self._waiting)
        if loop is not None:
            loop.stop(time.monotonic() + 1.0)
        if waits and not final:
            self.begin()

    def _join(self, waiting: _Waiting) -> None:
        with self._lock:
            self._waiting.add(waiting)
            self._task_ids = None
            self._is_joined = True
        self.begin().ring_before(self._clock.steady() + _EVERY)

    def _leave(self, waiting: _Waiting) -> None:
        with self._lock:
            self._waiting.discard(waiting)
            self._task_ids = None

    def _look(self) -> float | None:
        with self._lock:
            if not self._waiting:
                self._marks = None
                return None
            if self._task_ids is None:
                self._task_ids = frozenset(waiting.task_id for waiting in self._waiting)
            task_ids, is_joined, self._is_joined = self._task_ids, self._is_joined, False
            waiting = list(self._waiting) if is_joined else None
        began = time.perf_counter()
        try:
            marks = self._store.marks(task_ids)
        except QueueUnavailable as error:
            return self._complain(error)
        self._in_trouble = False
        if is_joined or marks is not self._marks:
            self._marks = marks
            _tell(self._all() if waiting is None else waiting, marks)
        rest = (time.perf_counter() - began) * _REST
        return self._clock.steady() + max(_EVERY, min(rest, _AT_LEAST_EVERY))

    def _all(self) -> list[_Waiting]:
        with self._lock:
            return list(self._waiting)

    def _complain(self, error: QueueUnavailable) -> float:
        if not self._in_trouble:
            logger.error("who waits for tasks is not told at the moment: %s", error)
        self._in_trouble = True
        self._is_joined = True
        return self._clock.steady() + _AFTER_TROUBLE


class _Waiting:
    """One who waits. `loop`: where `tell` is to be called; None: anywhere."""

    __slots__ = ("known", "loop", "task_id", "tell")

    def __init__(
        self,
        task_id: str,
        known: Mark | None,
        loop: asyncio.AbstractEventLoop | None,
        tell: Callable[[], object],
    ) -> None:
        self.task_id = task_id
        self.known = known
        self.loop = loop
        self.tell = tell


def _tell(everybody: Iterable[_Waiting], marks: dict[str, Mark]) -> None:
    """Tell those who know another mark; each event loop is woken once for all who wait there."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Waiting]] = defaultdict(list)
    for waiting in everybody:
        if marks.get(waiting.task_id) != waiting.known:
            if waiting.loop is None:
                waiting.tell()
            else:
                by_loop[waiting.loop].append(waiting)
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell_all, told)
        except RuntimeError:  # it has been closed meanwhile: nobody waits there any more
            continue


def _tell_all(told: list[_Waiting]) -> None:
    for waiting in told:
        waiting.tell()
