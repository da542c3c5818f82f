"""Checkpoints: bringing what stands in the write-ahead log over to the database file.

SQLite before 3.51.3 can lose what was written when a checkpoint meets a commit of another connection that
begins the log anew. So SQLite's automatic ones are off, and each of ours is made from inside a writing
transaction: while it holds the lock of the writers nobody can commit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time

from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.writer import Transaction, Writer

logger = logging.getLogger("hypern.tasks")

# Bytes of log from which on one is due, and from which on something keeps it from coming about.
_DUE = 8 * 1024 * 1024
_ALARM = 512 * 1024 * 1024
_LOOK_EVERY = 0.1
_ALARM_EVERY = 60.0


class Checkpoints:
    """Used by one thread at a time."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database = database
        self._writer = writer
        self._log = f"{database.address.path}-wal"
        self._connection: sqlite3.Connection | None = None
        self._next_look = 0.0
        self._next_alarm = 0.0

    def connection(self) -> sqlite3.Connection | None:
        return self._connection

    def look(self) -> None:
        """Make a checkpoint if one is due and nobody is in its way."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        try:
            size = os.stat(self._log).st_size
        except OSError:
            return
        if size < _DUE:
            return
        if not self.make() and size > _ALARM and now > self._next_alarm:
            self._next_alarm = now + _ALARM_EVERY
            logger.warning(
                "the log %s has grown to %d MB, because some program keeps reading an old state of it; see "
                "what has the database open",
                self._log, size // 2**20,
            )  # fmt: skip

    def make(self) -> bool:
        """Make a checkpoint now. Whether all of the log was brought over, so that it begins anew."""
        return bool(self._writer.run(self._make, durable=False))

    def _make(self, transaction: Transaction) -> bool:
        if self._connection is None:
            self._connection = self._database.reader()
            self._connection.execute("PRAGMA query_only = OFF")
            self._connection.execute("PRAGMA busy_timeout = 0")
        busy, length, done = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not busy and length == done

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
