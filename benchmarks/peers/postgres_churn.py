"""Ours on PostgreSQL while somebody else holds a transaction open: `postgres_churn.py COUNT HELD_SECONDS`.

Tasks are submitted, claimed and ended by the thousand; nothing that they leave behind can be cleaned up while
that transaction is open. Claims are looked at by the hundred: p99 of those before it began, and of all after.
"""

import sys
import time

import durable_measure
import psycopg
from durable_backlog import RESULT
from durable_hypern import app, noop
from durable_tasks import DATA, POSTGRES_URL, TEXT
from postgres_rows import SCHEMA, number_of_rows

from hypern import submit_many
from hypern.records import Completed, Lane

AT_ONCE, WINDOW = 1_000, 100
# This part of the tasks goes through before the other transaction begins.
BEFORE = 0.05

store = app.engine.store


def turn_over() -> list[float]:
    """Submit, claim and end a thousand. Seconds that each hundred claims took."""
    submit_many([(noop, (TEXT, DATA))] * AT_ONCE)
    seconds = []
    for _ in range(AT_ONCE // WINDOW):
        spent = 0.0
        for _ in range(WINDOW):
            begin = time.perf_counter()
            record = store.claim(Lane.THREAD, time.time())
            while record is None:  # what was asked for has not come yet
                record = store.claim(Lane.THREAD, time.time())
            spent += time.perf_counter() - begin
            store.finish(record, record.fence, Completed(RESULT), time.time())
        seconds.append(spent)
    store.flush()
    return seconds


def dead_rows(connection: psycopg.Connection) -> int:
    statement = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'tasks'"
    return connection.execute(statement, (SCHEMA,)).fetchone()[0]


def main(count: int, held_seconds: float) -> dict[str, float]:
    turn_over()
    before = [spent for _ in range(int(count * BEFORE / AT_ONCE)) for spent in turn_over()]
    holder = psycopg.connect(POSTGRES_URL)
    holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    number_of_rows(holder)
    begin, after, most_dead = time.perf_counter(), [], 0
    with psycopg.connect(POSTGRES_URL, autocommit=True) as looker:
        while len(after) * WINDOW < count * (1 - BEFORE):
            after += turn_over()
            if not holder.closed:
                most_dead = max(most_dead, dead_rows(looker))
                if time.perf_counter() - begin > held_seconds:
                    holder.close()
    return {
        "tasks_per_second": len(after) * WINDOW / (time.perf_counter() - begin),
        "before_p99_ms": durable_measure.share(before, 0.99) * 1e3,
        "after_p99_ms": durable_measure.share(after, 0.99) * 1e3,
        "growth": durable_measure.share(after, 0.99) / durable_measure.share(before, 0.99),
        "dead_rows": most_dead,
    }


if __name__ == "__main__":
    durable_measure.finish(main(int(sys.argv[1]), float(sys.argv[2])))
