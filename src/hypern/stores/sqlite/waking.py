"""Waking: the kernel says when somebody has written to the log of the database.

With inotify (Linux) an idle process need not look hundreds of times a second. Its word comes a moment before
what was written can be seen, so whoever is woken looks a few times. Elsewhere one has to look.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import sys

_IN_MODIFY = 0x2


class Waking:
    """Watches one file. Used by one thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        self._poll = select.poll()
        self._open()

    @property
    def is_available(self) -> bool:
        return self._descriptor >= 0

    def wait(self, seconds: float) -> bool:
        """Return when something has been written, or after so many seconds. Whether something was."""
        if not self._poll.poll(seconds * 1000):
            return False
        try:
            os.read(self._descriptor, 65536)
        except BlockingIOError:
            return False
        except OSError:
            # A task has closed every descriptor of its process.
            self._descriptor = -1
        return True

    def renew(self) -> None:
        """Watch the file that bears the name now; it may have been made anew."""
        if self._descriptor >= 0:
            self._watch()

    def close(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        if not sys.platform.startswith("linux"):
            return
        try:
            self._library = ctypes.CDLL(None, use_errno=True)
            descriptor = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):
            return
        if descriptor < 0:
            return
        self._descriptor = descriptor
        self._poll.register(descriptor, select.POLLIN)
        if not self._watch():
            self.close()

    def _watch(self) -> bool:
        # Watching a file that is watched already changes nothing.
        return bool(
            self._library.inotify_add_watch(self._descriptor, os.fsencode(self._path), _IN_MODIFY) >= 0
        )
