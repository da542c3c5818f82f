"""The tables of a PostgreSQL store, and a server of our own that is stopped in the midst of it."""

import json
import os
import signal
import time
from collections import Counter

import psycopg
from tests.postgres.server import PrivateServer, fresh_database

from crash.judge import Row
from crash.tables import STATES, Snapshot

_ROWS = "SELECT id, state, owner, fence, finished_at, result, error FROM hypern.tasks ORDER BY seq"
_COUNTS = "SELECT state, sum(number)::int FROM hypern.deltas GROUP BY state HAVING sum(number) <> 0"
_HAS_TASKS = "SELECT to_regclass('hypern.tasks') IS NOT NULL"
_ABOUT = "SELECT about FROM hypern.workers WHERE id = %s"

__all__ = ["PostgresTables", "PrivateServer", "fresh_database", "stop_at_once"]

# A server that was stopped at once is back within seconds.
PATIENCE = 30.0


class PostgresTables:
    """`url`: a database that nothing else uses."""

    recovers_within = 5.0

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self) -> Snapshot:
        with self._connect() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            has_tasks = connection.execute(_HAS_TASKS).fetchone()
            if not has_tasks or not has_tasks[0]:
                return Snapshot("ok", [], {}, {})
            rows = connection.execute(_ROWS).fetchall()
            counts = dict(connection.execute(_COUNTS).fetchall())
        there = Counter(row[1] for row in rows if row[1] > 2)
        integrity = "ok" if counts == there else f"counted {counts}, there are {dict(there)}"
        tasks = [Row(task_id, STATES[state]) for task_id, state, *_ in rows]
        outcomes = {
            row[0]: tuple(map(str, row)) for row, task in zip(rows, tasks, strict=True) if task.is_ended
        }
        owners = {row[0]: str(row[2]) for row in rows if STATES[row[1]] == "running"}
        return Snapshot(integrity, tasks, outcomes, owners)

    def is_dead(self, owner: str) -> bool:
        # Not by its lock: that is free for a while after the server was stopped. All processes are here.
        with self._connect() as connection:
            row = connection.execute(_ABOUT, (owner,)).fetchone()
        if row is None:
            return True
        try:
            os.kill(json.loads(row[0])["pid"], 0)
        except ProcessLookupError:
            return True
        return False

    def _connect(self) -> psycopg.Connection:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                return psycopg.connect(self.url, connect_timeout=5)
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)


def stop_at_once(server: PrivateServer) -> None:
    """As `pg_ctl stop -m immediate`, and start it again: it recovers from its log."""
    server.stop(signal.SIGQUIT)
    server.start()
