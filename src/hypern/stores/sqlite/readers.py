"""Connections that only read: as many as threads read at the same time, each used by one at a time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterator

from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.trouble import unavailable


class Readers:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._free: deque[sqlite3.Connection] = deque()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. Raises QueueUnavailable where that fails."""
        connection = None
        with self._database.connections.gate:
            try:
                try:
                    connection = self._free.pop()
                except IndexError:
                    connection = self._database.reader()
                yield connection
            except sqlite3.Error as error:
                # It is not used again: what was wrong with it is not known.
                self._database.connections.close(connection)
                raise unavailable(self._database.address, error) from error
            self._free.append(connection)

    def close(self) -> None:
        while self._free:
            with contextlib.suppress(IndexError):
                self._database.connections.close(self._free.pop())
