"""A crew of threads that share work from a source outside of them, waking as few as are needed."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mutex:
    """A lock for short sections that many threads pass through all the time.

    A thread that waits inside `threading.Lock.acquire` is handed the lock while it does not have the
    interpreter, and may need milliseconds to get that; until then everybody else runs into the taken
    lock, and each pass costs two switches of threads. Whoever finds this lock taken gives the
    interpreter away instead and tries again, so the lock is only ever held by a thread that runs or
    was interrupted inside its short section.
    """

    __slots__ = ("_try", "release")

    def __init__(self) -> None:
        lock = threading.Lock()
        self._try = functools.partial(lock.acquire, False)
        self.release = lock.release

    def acquire(self) -> None:
        while not self._try():
            time.sleep(0)

    def __enter__(self) -> None:
        while not self._try():
            time.sleep(0)

    def __exit__(self, *exception: object) -> None:
        self.release()


class Crew(Generic[T]):
    """Up to `size` threads, started when first needed.

    `take()` removes one piece of work from the source, or returns None if there is none; `do(piece)`
    does it; neither may raise. `has_work()` is a cheap look whether `take` may find something. Whoever
    adds work makes it visible to both first and calls `notify` then.

    At most one thread is *seeking* at a time: woken, and not yet at a piece of work. While there is one,
    `notify` need not wake another: the seeker looks again before it sleeps, and when it finds work
    while there is more, it wakes the next one. A thread at work does not count as seeking, however
    short its work may be: the next piece would have to wait for it.
    """

    def __init__(
        self,
        name: str,
        size: int,
        take: Callable[[], T | None],
        do: Callable[[T], None],
        has_work: Callable[[], bool],
    ) -> None:
        self._name = name
        self._size = size
        self._take = take
        self._do = do
        self._has_work = has_work
        self._lock = threading.Lock()
        self._seeking = False
        self._stopping = False
        self._beds: list[threading.Lock] = []
        self._threads: list[threading.Thread] = []

    def notify(self) -> None:
        """There is new work."""
        if self._seeking:
            return
        with self._lock:
            if self._seeking or self._stopping:
                return
            if self._beds:
                self._seeking = True
                self._beds.pop().release()
            elif len(self._threads) < self._size:
                self._start_one()

    def stop(self) -> None:
        """Let every thread end after the piece it is at; none begins another."""
        with self._lock:
            self._stopping = True
            while self._beds:
                self._beds.pop().release()

    def leave(self) -> None:
        """As `stop`, in a forked child, where a lock that another thread held is held for ever."""
        self._stopping = True

    def join(self, deadline: float) -> bool:
        """After `stop`: wait until `deadline` (of `time.monotonic`) for the threads. Whether all ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._seeking = True
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those there are will come to it
            self._seeking = False
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        bed = threading.Lock()
        bed.acquire()
        take, do = self._take, self._do
        seeking = True
        while not self._stopping:
            piece = take()
            if piece is None:
                seeking = self._sleep(bed, seeking)
                continue
            if seeking:
                seeking = self._seeking = False
                if self._has_work():
                    self.notify()
            do(piece)
            del piece

    def _sleep(self, bed: threading.Lock, seeking: bool) -> bool:
        """Sleep until woken. Whether this thread is the seeking one then."""
        with self._lock:
            if seeking:
                self._seeking = False
            self._beds.append(bed)
        # Work that came after the last look, and before this thread could be seen to sleep, woke nobody.
        if self._has_work() or self._stopping:
            with self._lock:
                if bed in self._beds:
                    self._beds.remove(bed)
                    return False
        bed.acquire()
        return True
