"""A bell that anybody rings for one thread that waits for it."""

from __future__ import annotations

import contextlib
import threading


class Bell:
    """In the place of a `threading.Event`, which is written in Python: where a signal handler raises in the
    midst of that (Ctrl-C), its lock stays taken, and whoever sets it next waits for ever."""

    def __init__(self) -> None:
        # Free once it has been rung.
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        if self._lock.locked():
            with contextlib.suppress(RuntimeError):  # somebody else was quicker
                self._lock.release()

    def wait(self) -> None:
        """Return when it has been rung since the last time."""
        self._lock.acquire()
