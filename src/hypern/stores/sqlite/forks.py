"""Forks: a child must not go on with the connections of its parent, nor open others beside them.

SQLite keeps in memory which locks its process holds on a file. A child inherits that memory but not the
locks, and a connection that it opens believes it has them: when the parent then closes its last one, it takes
the log away from under the child. So the child closes what it inherited before it opens anything. That is
safe only if nobody was in the midst of something at the moment of the fork; so a fork waits until nobody is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref

# So long a fork waits for those who are at it (seconds); most are through in a thousandth of it.
_PATIENCE = 2.0


class Gate:
    """What everybody passes through who uses the connections of one database, `with gate:`, and what is shut
    while the process forks."""

    def __init__(self) -> None:
        # Taken by itself: a signal handler that raises (Ctrl-C) cannot come between taking it and the block,
        # as it can in the condition, which is written in Python.
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._inside = 0
        self._is_shut = False

    def __enter__(self) -> None:
        with self._lock:
            if self._is_shut:
                self._condition.wait_for(lambda: not self._is_shut, _PATIENCE * 2)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._is_shut:
                self._condition.notify_all()

    def shut(self, deadline: float) -> bool:
        """Let nobody in, and wait until nobody is. Whether that came about before `deadline` (monotonic)."""
        with self._lock:
            self._is_shut = True
            return self._condition.wait_for(lambda: not self._inside, max(0.0, deadline - time.monotonic()))

    def open(self) -> None:
        with self._lock:
            self._is_shut = False
            self._condition.notify_all()


class Connections:
    """The connections of one database in this process."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.is_quiet = True
        self._open: set[sqlite3.Connection] = set()
        _all.add(self)

    def add(self, connection: sqlite3.Connection) -> None:
        self._open.add(connection)

    def close(self, connection: sqlite3.Connection | None) -> None:
        if connection is not None:
            self._open.discard(connection)
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def close_all(self) -> None:
        for connection in list(self._open):
            self.close(connection)

    def close_inherited(self) -> None:
        """In a forked child. If somebody was in the midst of something, they are kept open and unused."""
        if not self.is_quiet:
            _not_quiet.extend(self._open)
        else:
            self.close_all()
        self._open.clear()


_all: weakref.WeakSet[Connections] = weakref.WeakSet()
_not_quiet: list[sqlite3.Connection] = []


def can_open() -> bool:
    """Whether this process may open a database: not where it was forked in the midst of something."""
    return not _not_quiet


def _before_fork() -> None:
    deadline = time.monotonic() + _PATIENCE
    for connections in list(_all):
        connections.is_quiet = connections.gate.shut(deadline)


def _in_parent() -> None:
    for connections in list(_all):
        connections.gate.open()


def _in_child() -> None:
    for connections in list(_all):
        connections.close_inherited()
    _all.clear()


# Registered before the hook of the engines (tasks.process), which opens the store anew in the child.
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
