"""The limit for a store on PostgreSQL: a plain table of fifteen columns, and psycopg.

`single COUNT`: a commit a row; `unnest COUNT`: a thousand rows a statement; `copy COUNT`: COPY, a thousand a
commit; `work COUNT`: a hundred rows claimed (SKIP LOCKED) and a hundred finished, each in one statement.
"""

import json
import sys
import time

import durable_measure
import psycopg
from durable_tasks import DATA, POSTGRES_URL, TEXT

TABLE = """
CREATE TABLE raw_tasks (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    state smallint NOT NULL DEFAULT 0,
    priority integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    func text NOT NULL,
    args bytea NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    worker text,
    result bytea,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX raw_tasks_ready ON raw_tasks (priority DESC, run_at, seq) WHERE state = 0
"""
INSERT = "INSERT INTO raw_tasks (id, func, args) VALUES (%s, %s, %s)"
INSERT_MANY = (
    "INSERT INTO raw_tasks (id, func, args) SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[])"
)
CLAIM = """
UPDATE raw_tasks SET state = 1, attempt = attempt + 1, started_at = now(), worker = 'raw' FROM (
    SELECT seq FROM raw_tasks WHERE state = 0 ORDER BY priority DESC, run_at, seq LIMIT %s
    FOR UPDATE SKIP LOCKED
) AS next WHERE raw_tasks.seq = next.seq RETURNING raw_tasks.seq, attempt, func, args
"""
FINISH = """
UPDATE raw_tasks SET state = 2, result = given.result, finished_at = now()
FROM unnest(%s::bigint[], %s::integer[], %s::bytea[]) AS given (seq, attempt, result)
WHERE raw_tasks.seq = given.seq AND state = 1 AND raw_tasks.attempt = given.attempt AND worker = 'raw'
"""
IN_ONE_CALL, CLAIMED = 1_000, 100
ARGS = json.dumps([TEXT, DATA]).encode()
RESULT = json.dumps({"to": TEXT, "name": DATA["name"]}).encode()


def row(number: int) -> tuple[str, str, bytes]:
    return (f"{number:032x}", "tasks:noop", ARGS)


def single(connection, count: int) -> None:
    for number in range(count):
        connection.execute(INSERT, row(number))


def unnest(connection, count: int) -> None:
    for first in range(0, count, IN_ONE_CALL):
        columns = zip(*(row(first + number) for number in range(IN_ONE_CALL)), strict=True)
        connection.execute(INSERT_MANY, [list(column) for column in columns])


def copy(connection, count: int) -> None:
    for first in range(0, count, IN_ONE_CALL):
        with connection.cursor().copy("COPY raw_tasks (id, func, args) FROM STDIN") as into:
            for number in range(IN_ONE_CALL):
                into.write_row(row(first + number))


def work(connection, count: int) -> None:
    for _ in range(0, count, CLAIMED):
        rows = connection.execute(CLAIM, (CLAIMED,), binary=True).fetchall()
        columns = ([row[0] for row in rows], [row[1] for row in rows], [RESULT] * len(rows))
        connection.execute(FINISH, columns)


def main(mode: str, count: int) -> dict[str, float]:
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(TABLE)
        if mode == "work":
            copy(connection, count)
            connection.execute("ANALYZE raw_tasks")
        begin = time.perf_counter()
        {"single": single, "unnest": unnest, "copy": copy, "work": work}[mode](connection, count)
        seconds = time.perf_counter() - begin
        state = 2 if mode == "work" else 0
        kept = connection.execute("SELECT count(*) FROM raw_tasks WHERE state = %s", (state,)).fetchone()[0]
    rate = "tasks_per_second" if mode == "work" else "submits_per_second"
    return {rate: count / seconds, "kept_per_submit": kept / count}


if __name__ == "__main__":
    durable_measure.finish(main(sys.argv[1], int(sys.argv[2])))
