"""The limit for our SQLite store: its own rows, written into its own tables by plain sqlite3 statements.

`single COUNT`: a commit a row; `batch COUNT`: one commit for all.
"""

import sys
import time

import durable_measure
from durable_hypern import FILE, noop
from durable_rows import Row, connect, rows_of
from durable_tasks import DATA, TEXT


def main(mode: str, count: int) -> dict[str, float]:
    task_id = noop(TEXT, DATA)
    connection = connect(FILE)
    rows = rows_of(connection, task_id)
    seconds = by_itself(connection, rows, count) if mode == "single" else at_once(connection, rows, count)
    table = rows[0].table
    kept = connection.execute(f"SELECT count(*) - 1 FROM {table}").fetchone()[0]
    return {"submits_per_second": count / seconds, "kept_per_submit": kept / count}


def by_itself(connection, rows: list[Row], count: int) -> float:
    ids = [f"row-{number}" for number in range(count)]
    begin = time.perf_counter()
    if len(rows) == 1:  # each statement is a transaction of its own
        statement = rows[0].insert()
        for row_id in ids:
            connection.execute(statement, rows[0].with_id(row_id))
        return time.perf_counter() - begin
    for row_id in ids:
        connection.execute("BEGIN IMMEDIATE")
        for row in rows:
            connection.execute(row.insert(), row.with_id(row_id))
        connection.execute("COMMIT")
    return time.perf_counter() - begin


def at_once(connection, rows: list[Row], count: int) -> float:
    ids = [f"row-{number}" for number in range(count)]
    begin = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    for row in rows:
        connection.executemany(row.insert(), (row.with_id(row_id) for row_id in ids))
    connection.execute("COMMIT")
    return time.perf_counter() - begin


if __name__ == "__main__":
    durable_measure.finish(main(sys.argv[1], int(sys.argv[2])))
