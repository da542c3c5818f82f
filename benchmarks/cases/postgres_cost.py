"""What a task costs the server: bytes of write-ahead log, versions of rows, and the place that it takes."""

import time

import psycopg

from benchmarks import postgres
from benchmarks.cases.durable import System, cell
from benchmarks.cases.postgres import DBOS, HYPERN, OBAN, PGQUEUER, PROCRASTINATE, SYSTEMS
from benchmarks.processes import Figures, run_program, work_directory
from benchmarks.report import Report
from benchmarks.rounds import interleave

MEASURED = (HYPERN, PGQUEUER, PROCRASTINATE, OBAN, DBOS)
ENVIRONMENTS = {SYSTEMS[name].environment for name in MEASURED}
FULL_ROUNDS, QUICK_ROUNDS = 2, 1
TIMEOUT = 400.0
# Sessions hand in their statistics within a second of becoming idle.
HANDED_IN = 1.5

SENT = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
CHANGED = """
SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_hot_upd), sum(n_tup_del) FROM pg_stat_user_tables
"""
PLACE = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
"""
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"

# figure, its name in the table, digits
COLUMNS = (
    ("wal_in", "WAL bytes, submitted by many", 0),
    ("wal_all", "… and run", 0),
    ("inserted", "rows inserted", 2),
    ("updated", "updated", 2),
    ("hot", "of them in place (HOT)", 2),
    ("deleted", "deleted", 2),
    ("place_waiting", "bytes while it waits", 0),
    ("place_ended", "bytes when it has ended", 0),
    ("place_packed", "… without dead rows", 0),
    ("commits", "commits", 3),
)


def run(rounds: int, quick: bool) -> Report:
    count = 2_000 if quick else 20_000

    def measure(name: str) -> Figures:
        system = SYSTEMS[name]
        total = int(count * max(system.share, 0.1))
        mode = "bulk" if name != DBOS else "submit"
        if name == HYPERN:
            mode = "submit-many"
        waiting = _spent(system, total, mode, str(total))
        ended = _spent(system, total, "drain", str(total), "1")
        return {
            "wal_in": waiting["wal"],
            "place_waiting": waiting["place"],
            "wal_all": ended["wal"],
            "place_ended": ended["place"],
            "place_packed": ended["packed"],
            **{figure: ended[figure] for figure in ("inserted", "updated", "hot", "deleted", "commits")},
        }

    measured = interleave(MEASURED, rounds, measure)
    return Report(
        title="PostgreSQL: what a task costs",
        note=f"{count:,} no-op tasks (fewer for the slow ones), submitted many at a time (DBOS: one by one), "
        "then run by one worker process; everything is for one task. The log includes what vacuuming "
        "and whole pages after a checkpoint write; each update that is not in place leaves a row and "
        "its index entries to be cleaned up.",
        header=("system", *(text for _, text, _ in COLUMNS)),
        rows=[
            (name, *(cell(measured, name, figure, digits) for figure, _, digits in COLUMNS))
            for name in MEASURED
        ],
        targets=[],
        measured=measured,
    )


def _spent(system: System, count: int, *arguments: str) -> Figures:
    """What the server spent on each of `count` tasks. Raises ContenderError."""
    with (
        work_directory() as directory,
        postgres.empty_database() as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        sent, commits = (_number(connection, statement) for statement in (SENT, COMMITS))
        variables = {"BENCH_DIRECTORY": str(directory), "BENCH_POSTGRES": url, **system.variables}
        run_program(system.environment, (system.program, *arguments), TIMEOUT, variables)
        time.sleep(HANDED_IN)
        row = connection.execute(CHANGED).fetchone()
        assert row is not None
        inserted, updated, hot, deleted = (float(number or 0) / count for number in row)
        figures = {
            "wal": (_number(connection, SENT) - sent) / count,
            "place": _number(connection, PLACE) / count,
            "commits": (_number(connection, COMMITS) - commits) / count,
            "inserted": inserted,
            "updated": updated,
            "hot": hot,
            "deleted": deleted,
        }
        connection.execute("VACUUM (FULL)")
        return figures | {"packed": _number(connection, PLACE) / count}


def _number(connection: psycopg.Connection, statement: str) -> float:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return float(row[0])
