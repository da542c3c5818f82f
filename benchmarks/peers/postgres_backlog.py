"""Ours on PostgreSQL with many rows: `KIND ROWS`, KIND `waiting`, `delayed` or `finished`.

The store is asked directly: what claiming, ending and submitting a task cost, without any work beside.
"""

import sys
import time

import durable_measure
import psycopg
from durable_backlog import CLAIMS, SUBMITS, claim_and_finish
from durable_hypern import noop
from durable_tasks import DATA, POSTGRES_URL, TEXT
from postgres_rows import copy_task, number_of_rows

from hypern import submit_many


def fill(kind: str, count: int) -> int:
    """Keep `count` tasks more of a kind, copies of one that went the usual way. The delayed ones are of a
    higher priority than what is claimed, so that they are in the way if anything is. The rows there are."""
    if kind == "delayed":
        task_id = noop.with_options(delay_seconds=7200, priority="critical")(TEXT, DATA)
    else:
        task_id = noop(TEXT, DATA)
    if kind == "finished":
        claim_and_finish(1)
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        copy_task(connection, task_id, count)
        return number_of_rows(connection)


def main(kind: str, count: int) -> dict[str, float]:
    rows = fill(kind, count)
    # Once before, so that neither statement is new to the connection.
    submit_many([(noop, (TEXT, DATA))] * CLAIMS)
    claim_and_finish(CLAIMS)
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
