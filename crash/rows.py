"""Reads the database with a connection of its own, by SQL: a second opinion on what the store holds."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from crash.judge import Row
from crash.owners import is_dead
from crash.tables import STATES, Snapshot

_ROWS = "SELECT id, state, owner, fence, finished_at, result, error FROM hypern_tasks ORDER BY seq"
_COUNTS = "SELECT state, sum(number) FROM hypern_counts GROUP BY state HAVING sum(number) <> 0"
_HAS_TASKS = "SELECT 1 FROM sqlite_master WHERE name = 'hypern_tasks'"
BUSY_SECONDS = 10.0


def read_store(database: Path) -> Snapshot:
    """The store as it is now."""
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        integrity = "; ".join(text for (text,) in connection.execute("PRAGMA integrity_check"))
        # Its maker may have been killed before the table was there.
        if connection.execute(_HAS_TASKS).fetchone() is None:
            return Snapshot(integrity, [], {}, {})
        connection.execute("BEGIN")
        rows = connection.execute(_ROWS).fetchall()
        counts = dict(connection.execute(_COUNTS).fetchall())
        connection.execute("COMMIT")
    # The store keeps the numbers of those that run or have ended; those that wait it counts where they are.
    there = Counter(row[1] for row in rows if STATES[row[1]] != "pending")
    if counts != there:
        integrity += f"; counted {counts}, there are {dict(there)}"
    tasks = [Row(task_id, STATES[state]) for task_id, state, *_ in rows]
    outcomes = {row[0]: tuple(map(str, row)) for row, task in zip(rows, tasks, strict=True) if task.is_ended}
    owners = {task_id: str(owner) for task_id, state, owner, *_ in rows if STATES[state] == "running"}
    return Snapshot(integrity, tasks, outcomes, owners)


class SQLiteTables:
    """`database`: the file."""

    recovers_within = 2.0

    def __init__(self, database: Path) -> None:
        self.url = f"sqlite:///{database}"
        self._database = database

    def read(self) -> Snapshot:
        return read_store(self._database)

    def is_dead(self, owner: str) -> bool:
        return is_dead(self._database, owner)
