"""The deadlines of running attempts: at its deadline an attempt ends, whatever its function does."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

from hypern.clock import Clock
from hypern.loops import Loop

# From so many deadlines on, those that were met are looked for whenever the number has doubled.
_SWEEP_AT = 1000


class Deadline:
    """One attempt and its deadline. `expire` is called at most once, and not if it was `met` before."""

    __slots__ = ("_expire",)

    def __init__(self, expire: Callable[[], None]) -> None:
        self._expire: Callable[[], None] | None = expire

    @property
    def is_met(self) -> bool:
        return self._expire is None

    def met(self) -> None:
        """The attempt has ended by itself. What `expire` would need is kept no longer."""
        self._expire = None

    def expire(self) -> None:
        """The time is over."""
        expire, self._expire = self._expire, None
        if expire is not None:
            expire()


class Deadlines:
    """All deadlines of an engine, watched by one thread, which is started with the first of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heap: list[tuple[float, int, Deadline]] = []
        self._numbers = itertools.count()
        self._sweep_at = _SWEEP_AT
        self._loop: Loop | None = None

    def set(self, seconds: float, expire: Callable[[], None]) -> Deadline:
        """Call `expire()` in `seconds` unless the deadline is `met` before."""
        deadline = Deadline(expire)
        moment = self._clock.steady() + seconds
        with self._lock:
            heapq.heappush(self._heap, (moment, next(self._numbers), deadline))
            if len(self._heap) >= self._sweep_at:
                self._sweep()
            loop = self._running()
        loop.ring_before(moment)
        return deadline

    def begin(self) -> None:
        """Start the thread now."""
        with self._lock:
            self._running()

    def stop(self, deadline: float) -> None:
        """End the thread; wait for that until `deadline` (of `time.monotonic`)."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop(deadline)

    def _running(self) -> Loop:
        if self._loop is None:
            loop = Loop("hypern-deadlines", self._clock, self._look)
            loop.start()
            self._loop = loop
        return self._loop

    def _sweep(self) -> None:
        """Let go of the deadlines that were met, which most are long before their time."""
        self._heap = [entry for entry in self._heap if not entry[2].is_met]
        heapq.heapify(self._heap)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._heap))

    def _look(self) -> float | None:
        while True:
            with self._lock:
                while self._heap and self._heap[0][2].is_met:
                    heapq.heappop(self._heap)
                if not self._heap:
                    return None
                moment, _, deadline = self._heap[0]
                if moment > self._clock.steady():
                    return moment
                heapq.heappop(self._heap)
            deadline.expire()
