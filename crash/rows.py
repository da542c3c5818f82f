"""Reads the database with a connection of its own, by SQL: a second opinion on what the store holds."""

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crash.judge import Row

# By the number under which the store keeps them: ready and scheduled tasks are both pending.
STATES = ("pending", "pending", "running", "completed", "failed", "cancelled")
_ROWS = "SELECT id, state, owner, fence, finished_at, result, error FROM hypern_tasks ORDER BY seq"
_COUNTS = "SELECT state, sum(number) FROM hypern_counts GROUP BY state HAVING sum(number) <> 0"
_HAS_TASKS = "SELECT 1 FROM sqlite_master WHERE name = 'hypern_tasks'"
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`integrity`: `"ok"` or what is wrong; `rows`: the tasks in the order of submission; `outcomes`: what
    must not change any more, of those that have ended; `owners`: who holds what runs."""

    integrity: str
    rows: Sequence[Row]
    outcomes: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, str]


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


def kept_order(database: Path) -> list[str]:
    """The ids in the order of submission."""
    return [row.id for row in read_store(database).rows]


def wait_drained(database: Path, seconds: float) -> bool:
    """Whether every task has ended within so many seconds."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if all(row.is_ended for row in read_store(database).rows):
            return True
        time.sleep(0.05)
    return False
