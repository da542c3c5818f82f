"""Two ways to keep ended tasks, on plain tables: `in-place COUNT`, where they stay among those that wait till
they are deleted; `apart COUNT`, where ending moves them to a partition of the day, which is dropped.
"""

import sys
import time

import durable_measure
import psycopg
from durable_tasks import POSTGRES_URL
from postgres_raw import ARGS, CLAIM, RESULT, TABLE

AT_ONCE = 1_000
FILL = """
INSERT INTO raw_tasks (id, func, args)
SELECT lpad(to_hex(n), 32, '0'), 'tasks:noop', %s FROM generate_series(1, %s) AS n
"""
HISTORY = """
CREATE TABLE raw_history (LIKE raw_tasks) PARTITION BY RANGE (finished_at);
CREATE INDEX ON raw_history (id);
CREATE TABLE raw_history_today PARTITION OF raw_history FOR VALUES FROM ('2000-01-01') TO ('2100-01-01');
CREATE INDEX raw_tasks_ended ON raw_tasks (finished_at) WHERE state > 1
"""
STAY = """
UPDATE raw_tasks SET state = 2, result = %s, finished_at = now() WHERE seq = ANY (%s)
"""
MOVE = """
WITH ended AS (DELETE FROM raw_tasks WHERE seq = ANY (%(seqs)s) RETURNING *)
INSERT INTO raw_history (seq, id, state, priority, run_at, func, args, attempt, lease_until, worker, result,
    error, created_at, started_at, finished_at)
SELECT seq, id, 2, priority, run_at, func, args, attempt, lease_until, worker, %(result)s, error, created_at,
    started_at, now() FROM ended
"""
DELETE = """
DELETE FROM raw_tasks WHERE seq IN (SELECT seq FROM raw_tasks WHERE state > 1 ORDER BY finished_at LIMIT %s)
"""
DROP = "DROP TABLE raw_history_today"
SENT = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8"


class Meter:
    """Seconds and bytes of write-ahead log since it was last asked, for one of `count` tasks."""

    def __init__(self, connection: psycopg.Connection, count: int) -> None:
        self._connection, self._count = connection, count
        self._at, self._sent = time.perf_counter(), self._now()

    def lap(self) -> tuple[float, float]:
        at, sent = time.perf_counter(), self._now()
        spent = ((at - self._at) / self._count * 1e6, (sent - self._sent) / self._count)
        self._at, self._sent = time.perf_counter(), self._now()
        return spent

    def _now(self) -> float:
        return self._connection.execute(SENT).fetchone()[0]


def main(way: str, count: int) -> dict[str, float]:
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute(HISTORY)
        connection.execute(FILL, (ARGS, count))
        connection.execute("VACUUM (ANALYZE) raw_tasks")
        connection.execute("CHECKPOINT")
        meter = Meter(connection, count)
        for _ in range(0, count, AT_ONCE):
            seqs = [row[0] for row in connection.execute(CLAIM, (AT_ONCE,)).fetchall()]
            if way == "apart":
                connection.execute(MOVE, {"seqs": seqs, "result": RESULT})
            else:
                connection.execute(STAY, (RESULT, seqs))
        work = meter.lap()
        connection.execute("VACUUM raw_tasks")
        cleaned = meter.lap()
        if way == "apart":
            connection.execute(DROP)
        else:
            while connection.execute(DELETE, (AT_ONCE,)).rowcount:
                pass
            connection.execute("VACUUM raw_tasks")
        forgotten = meter.lap()
    names = ("work", "cleaned", "forgotten")
    figures = {}
    for name, (microseconds, size) in zip(names, (work, cleaned, forgotten), strict=True):
        figures |= {f"{name}_us": microseconds, f"{name}_wal": size}
    return figures


if __name__ == "__main__":
    durable_measure.finish(main(sys.argv[1], int(sys.argv[2])))
