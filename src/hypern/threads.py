"""A crew of threads that share work from a source outside of them, waking as few as are needed."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")

# Whether threads can be started when the main thread has ended; in 3.12.0 to 3.12.2 they cannot
# (python/cpython#113964). Whatever may be needed then is to be started before.
STARTS_LATE = not (3, 12) <= sys.version_info < (3, 12, 3)


def full_executor() -> ThreadPoolExecutor:
    """An executor of the size that event loops have, all of whose threads have been started."""
    size = min(32, (os.cpu_count() or 1) + 4)
    executor = ThreadPoolExecutor(size, "hypern-aside")
    # It starts a thread where none is idle, so none may be before the last of them has come.
    gathering = threading.Barrier(size)
    for _ in range(size):
        executor.submit(gathering.wait)
    return executor


class Mutex:
    """A lock for short sections that many threads pass through all the time.

    A thread that waits inside `threading.Lock.acquire` is handed the lock while it does not have the
    interpreter, and may need milliseconds to get that; until then everybody else runs into the taken
    lock, and each pass costs two switches of threads. Whoever finds this lock taken gives the
    interpreter away instead and tries again, so the lock is only ever held by a thread that runs or
    was interrupted inside its short section.

    Between `acquire` and `release` belongs a `try` and its `finally`, not a `with`: at the beginning of an
    `__exit__` written in Python a signal handler may raise (Ctrl-C), and the lock would stay taken.
    """

    __slots__ = ("_mine", "_try", "release")

    def __init__(self) -> None:
        # One that knows its owner; nobody takes it twice.
        lock = threading.RLock()
        self._try = functools.partial(lock.acquire, False)
        self._mine: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]
        self.release = lock.release

    def acquire(self) -> None:
        try:
            while not self._try():
                time.sleep(0)
        except BaseException:
            # A signal handler has raised, perhaps just after the lock was taken.
            if self._mine():
                self.release()
            raise


# How long a watching thread lets the others go on before it looks whether they do (seconds).
PATIENCE = 0.0005
# After so many pieces without a pause a thread expects more of them soon.
STREAK = 4


class _Bed:
    """Where a thread sleeps, and the role for which it is woken."""

    __slots__ = ("lock", "watch")

    def __init__(self, watch: bool) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.watch = watch


class Crew(Generic[T]):
    """Up to `size` threads, started when first needed.

    `take()` removes one piece of work from the source, or returns None if there is none; `do(piece)`
    does it; neither may raise. `has_work()` is a cheap look whether `take` may find something. Whoever
    adds work makes it visible to both first and calls `notify` then.

    At most one thread is *seeking*: woken, and not yet at a piece of work. It looks again before it
    sleeps, so while there is one, `notify` need not wake another. A thread at work does not count.

    When the seeker finds work and there is more, one thread is not always too few: short pieces are done
    sooner by one thread than by several that take turns at the interpreter. So it posts at most one
    *watching* thread, which naps for `PATIENCE` and takes part if nothing was taken meanwhile; from then
    on, until there is no more work, each thread that finds more wakes the next at once. A thread that
    finds no more after a streak of pieces naps in the same way before it sleeps: more are likely to come.
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
        # One that knows its owner: a signal handler may add work in the midst of `_wake` of its own thread.
        self._lock = threading.RLock()
        self._mine: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._missed = False
        self._seeking = False
        self._watching = False
        self._held_up = False
        self._taken = 0
        self._stopping = False
        self._beds: list[_Bed] = []
        self._threads: list[threading.Thread] = []
        # What a thread is at, where that may have to be given up; None: it has been.
        self._replaceable: dict[threading.Thread, object | None] = {}

    def notify(self) -> None:
        """There is new work."""
        if not self._seeking and not self._watching:
            self._wake(watch=False)

    def wake(self) -> None:
        """As `notify`, whoever is thought to be on duty. A signal handler that raises in the midst of
        `notify` (Ctrl-C) can leave behind a duty that nobody does; so somebody calls this by and by."""
        self._seeking = self._watching = False
        self.notify()

    def fill(self) -> None:
        """Start all threads now."""
        with self._lock:
            for _ in range(self._size - len(self._threads)):
                self._start_one(watch=False)

    def stop(self) -> None:
        """Let every thread end after the piece it is at; none begins another."""
        with self._lock:
            self._stopping = True
            self._wake_all()

    def _wake_all(self) -> None:
        # Not within the `with` of `stop`: on Python 3.12 and 3.13 a signal handler that raises at the end of
        # a `while` would leave the lock taken (python/cpython#130279).
        while self._beds:
            self._beds.pop().lock.release()

    def leave(self) -> None:
        """As `stop`, in a forked child, where a lock that another thread held is held for ever."""
        self._stopping = True

    def join(self, deadline: float) -> bool:
        """After `stop`: wait until `deadline` (of `time.monotonic`) for the threads. Whether all ended."""
        threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def replacement(self) -> Callable[[], None]:
        """To be asked for by one of the threads: a function that gives it up, so that another may be started
        in its place. It ends after the piece it is at now, if that ever ends; if it has, nothing happens."""
        thread = threading.current_thread()
        piece = self._replaceable[thread] = object()

        def replace() -> None:
            with self._lock:
                if self._replaceable.get(thread) is not piece:
                    return
                self._replaceable[thread] = None
                self._size += 1
            if self._has_work():
                self.wake()

        return replace

    def _is_given_up(self) -> bool:
        with self._lock:
            thread = threading.current_thread()
            if self._replaceable.pop(thread, self) is not None:
                return False
            self._threads.remove(thread)
            self._size -= 1
            return True

    def _wake(self, watch: bool) -> None:
        if self._mine():
            self._missed = True
            return
        self._wake_one(watch)
        if self._missed:
            self._missed = False
            self.notify()

    def _wake_one(self, watch: bool) -> None:
        with self._lock:
            if self._seeking or self._watching or self._stopping:
                return
            if self._beds:
                bed = self._beds.pop()
                bed.watch = watch
                self._on_duty(watch, True)
                bed.lock.release()
            elif len(self._threads) < self._size:
                self._start_one(watch)

    def _on_duty(self, watch: bool, duty: bool) -> None:
        if watch:
            self._watching = duty
        else:
            self._seeking = duty

    def _start_one(self, watch: bool) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._run, args=(_Bed(watch),), name=name, daemon=True)
        self._on_duty(watch, True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those there are will come to it
            self._on_duty(watch, False)
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _run(self, bed: _Bed) -> None:
        take, do = self._take, self._do
        if bed.watch:
            self._watch()
        seeking = True
        done = 0
        while not self._stopping:
            piece = take()
            if piece is None:
                if done >= STREAK:
                    self._linger()
                else:
                    self._sleep(bed, seeking)
                seeking = True
                done = 0
                continue
            done += 1
            self._taken += 1
            if seeking:
                seeking = self._seeking = False
                if self._has_work():
                    self._wake(watch=not self._held_up)
            do(piece)
            del piece
            if self._replaceable and self._is_given_up():
                return

    def _watch(self) -> None:
        """Nap until there is no work, or nobody takes it. The thread is the seeking one then."""
        while not self._stopping:
            taken = self._taken
            time.sleep(PATIENCE)
            if not self._has_work():
                break
            if taken == self._taken:
                self._held_up = True
                break
        # In this order: whoever adds work must not find nobody on duty before we have looked again.
        self._seeking = True
        self._watching = False

    def _linger(self) -> None:
        """Nap after a streak of short pieces, when more are to be expected, instead of being woken for
        each of them. The thread is the seeking one then."""
        self._watching = True
        self._seeking = False
        time.sleep(PATIENCE)
        self._seeking = True
        self._watching = False

    def _sleep(self, bed: _Bed, seeking: bool) -> None:
        """Sleep until woken. The thread is the seeking one then."""
        with self._lock:
            if seeking:
                self._seeking = False
            self._held_up = False
            self._beds.append(bed)
        # Work that came after the last look, and before this thread could be seen to sleep, woke nobody.
        if self._has_work() or self._stopping:
            with self._lock:
                if bed in self._beds:
                    self._beds.remove(bed)
                    # Seeking, so that it wakes another if it finds more than the one piece it takes.
                    self._seeking = True
                    return
        bed.lock.acquire()
        if bed.watch:
            self._watch()
