"""Ours, with many rows in the store: `durable_backlog.py KIND ROWS`, KIND `waiting`, `delayed` or `finished`.

The store is asked directly: what claiming, ending and submitting a task cost, without any work beside.
"""

import sys
import time

import durable_measure
from durable_hypern import FILE, app, noop
from durable_rows import connect, rows_of
from durable_tasks import DATA, TEXT

from hypern import submit_many
from hypern.records import Completed, Lane

CLAIMS = 2_000
SUBMITS = 200
RESULT = {"to": TEXT, "name": DATA["name"]}

# The store counts its tasks as they move, and these came another way.
COUNT_THEM = """
UPDATE hypern_counts SET number = number + ? WHERE state = (SELECT state FROM hypern_tasks WHERE id = ?)
"""

store = app.engine.store


def claim_and_finish(count: int) -> float:
    """Seconds to claim and end that many tasks, all endings written down."""
    begin = time.perf_counter()
    for _ in range(count):
        record = store.claim(Lane.THREAD, time.time())
        if record is None:
            sys.exit("there was no task to claim")
        store.finish(record, record.fence, Completed(RESULT), time.time())
    store.flush()
    return time.perf_counter() - begin


def fill(kind: str, count: int) -> int:
    """Keep `count` tasks more of a kind: copies of one that went the usual way. The delayed ones are of a
    higher priority than what is claimed, so that they are in the way if anything is. The rows there are."""
    if kind == "delayed":
        task_id = noop.with_options(delay_seconds=7200, priority="critical")(TEXT, DATA)
    else:
        task_id = noop(TEXT, DATA)
    if kind == "finished":
        claim_and_finish(1)
    connection = connect(FILE)
    for row in rows_of(connection, task_id):
        row.copy(connection, count)
    connection.execute(COUNT_THEM, (count, task_id))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    rows = connection.execute("SELECT count(*) FROM hypern_tasks").fetchone()[0]
    connection.close()
    return rows


def main(kind: str, count: int) -> dict[str, float]:
    rows = fill(kind, count)
    submit_many([(noop, (TEXT, DATA))] * CLAIMS)
    claim_seconds = claim_and_finish(CLAIMS)
    begin = time.perf_counter()
    for _ in range(SUBMITS):
        noop(TEXT, DATA)
    return {
        "rows": rows,
        "claim_us": claim_seconds / CLAIMS * 1e6,
        "submit_us": (time.perf_counter() - begin) / SUBMITS * 1e6,
    }


if __name__ == "__main__":
    durable_measure.finish(main(sys.argv[1], int(sys.argv[2])))
