"""Glance: what has changed of certain tasks, asked so often that it must cost nothing while nothing has."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from hypern.stores.durable.rows import read_progress
from hypern.stores.durable.states import status_of
from hypern.stores.overview import Mark
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.trouble import unavailable


class Glance:
    """Used by one thread at a time, with a connection of its own: only that tells whether anything was
    committed through any other since the last look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None
        self._seen: tuple[int, frozenset[str]] | None = None
        self._marks: dict[str, Mark] = {}

    def look(self, task_ids: Collection[str]) -> dict[str, Mark]:
        """Raises QueueUnavailable."""
        with self._database.connections.gate:
            try:
                if self._connection is None:
                    self._connection = self._database.reader()
                (version,) = self._connection.execute(sql.DATA_VERSION).fetchone()
                now = (version, frozenset(task_ids))
                if now != self._seen:
                    rows = self._connection.execute(sql.MARKS, (json.dumps(list(task_ids)),)).fetchall()
                    self._marks = {row[0]: _mark(*row[1:]) for row in rows}
                    self._seen = now
            except sqlite3.Error as error:
                self._database.connections.close(self._connection)
                self._connection = self._seen = None
                raise unavailable(self._database.address, error) from error
        return self._marks


def _mark(state: int, attempt: int, cancel_requested: int, progress: bytes | None) -> Mark:
    said = None if progress is None else read_progress(progress)
    return Mark(status_of(state), attempt, bool(cancel_requested), said)
