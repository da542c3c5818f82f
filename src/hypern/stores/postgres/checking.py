"""Whether a PostgreSQL server is set up for tasks, and what stands in their way. Nothing is changed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import psycopg

from hypern.stores.findings import Finding, bad, care, good, in_bytes, note
from hypern.stores.postgres.address import Address
from hypern.stores.postgres.link import Link, connect
from hypern.stores.postgres.schema import VERSION, lock_class
from hypern.stores.postgres.trouble import describe

# The oldest server that the tests have run on.
_TESTED = 15
_SLOW_ANSWER = 0.005
_FAR_OFF = 1.0
_LONG = 60.0
_MANY_DEAD = 100_000
_ASKED = 20
# A number that no worker's lock has: theirs are positive.
_PROBE = -1

_SETTINGS = """
SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes',
    'autovacuum', 'max_connections', 'default_transaction_read_only')
"""
_OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8, pid, coalesce(application_name, ''), state
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start LIMIT 1
"""
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 1"
_SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE NOT active LIMIT 1"
_DEAD = """
SELECT n_live_tup, n_dead_tup, greatest(last_vacuum, last_autovacuum)::text FROM pg_stat_user_tables
WHERE schemaname = %b AND relname = 'tasks'
"""
_SIZE = "SELECT pg_total_relation_size(to_regclass(%b))"
_NUMBERS = """
SELECT (SELECT count(*) FROM {s}.tasks WHERE state = 0), (SELECT count(*) FROM {s}.tasks WHERE state = 1),
    (SELECT count(*) FROM {s}.tasks WHERE state = 2), (SELECT count(*) FROM {s}.workers)
"""


def check(address: Address) -> Iterator[Finding]:
    """One finding after the other, until one makes the next ones senseless."""
    try:
        link = connect(address, "check")
    except psycopg.Error as error:
        yield bad("connection", describe(error), "see that the server runs, and that the URL names it")
        return
    with link:
        try:
            yield from _server(link)
            yield from _network(link)
            yield from _locks(link, address)
            yield from _tables(link, address)
            yield from _hindrances(link)
        except psycopg.Error as error:
            yield bad("connection", describe(error), "see the server's log")


def _server(link: Link) -> Iterator[Finding]:
    number = link.info.server_version
    if number // 10000 < _TESTED:
        yield care("server", f"PostgreSQL {number // 10000}", f"Hypern is tested with {_TESTED} and newer")
    else:
        yield good("server", f"PostgreSQL {number // 10000}.{number % 10000}")
    if link.row("SELECT pg_is_in_recovery()") == (True,):
        yield bad(
            "role", "a standby, which is read-only", "name the primary: target_session_attrs=read-write"
        )
    settings = dict(link.rows(_SETTINGS))
    if settings.get("default_transaction_read_only") == "on":
        yield bad("role", "default_transaction_read_only=on", "let this user write")
    for name, means in (
        ("fsync", "a power cut may damage the whole database"),
        ("full_page_writes", "a power cut may damage the whole database"),
        ("synchronous_commit", "a crash of the server may take the last submitted tasks away"),
    ):
        value = settings.get(name)
        if value is not None:
            yield bad(name, value, f"{means}: set it to on") if value == "off" else good(name, value)
    if settings.get("autovacuum") == "off":
        yield bad("autovacuum", "off", "the table of tasks grows, and claims get ever slower: set it to on")
    row = link.row("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    most = settings.get("max_connections")
    if row is not None and most is not None:
        found = f"{row[0]} of {most}"
        if row[0] > 0.8 * int(most):
            yield care("connections", found, "a worker process needs up to eight: raise max_connections")
        else:
            yield good("connections", found)


def _network(link: Link) -> Iterator[Finding]:
    answers, least, most = [], float("-inf"), float("inf")
    for _ in range(_ASKED):
        before, begin = time.time(), time.perf_counter()
        row = link.row("SELECT extract(epoch FROM clock_timestamp())::float8")
        answers.append(time.perf_counter() - begin)
        if row is not None:
            least, most = max(least, row[0] - time.time()), min(most, row[0] - before)
    middle = statistics.median(answers)
    found = f"{middle * 1000:.2f} ms, longest {max(answers) * 1000:.2f} ms"
    if middle > _SLOW_ANSWER:
        yield care(
            "answer to a question", found, "each submit takes so long at least: bring them nearer together"
        )
    else:
        yield good("answer to a question", found)
    off = min(abs(least), abs(most))
    if off > _FAR_OFF:
        yield note("clock", f"the server's is {off:.1f} s off this host's", "that of the server counts")
    else:
        yield good("clock", f"that of this host within {max(off, middle):.3f} s")


def _locks(link: Link, address: Address) -> Iterator[Finding]:
    asked = f"SELECT pg_try_advisory_lock({lock_class(address.schema)}, {_PROBE})"
    with connect(address, "check") as other:
        first, second = link.row(asked), other.row(asked)
    if (first, second) == ((True,), (False,)):
        link.rows(f"SELECT pg_advisory_unlock({lock_class(address.schema)}, {_PROBE})")
        yield good("locks of a session", "they hold")
    else:
        yield care(
            "locks of a session",
            "they do not hold, as behind a pool that lends sessions out for a transaction each",
            "a killed worker is noticed when its lease is over: connect to the server, or pool by session",
        )


def _tables(link: Link, address: Address) -> Iterator[Finding]:
    schema = address.schema
    if link.row("SELECT to_regclass(%b) IS NOT NULL", (f"{schema}.meta",)) != (True,):
        yield bad("tables", f"there are none in the schema {schema}", "let `hypern store migrate` make them")
        return
    (version,) = link.row(f"SELECT value FROM {schema}.meta WHERE key = 'version'") or (None,)
    if version is not None and version.isdecimal() and int(version) < VERSION:
        yield care("tables", f"version {version}", f"`hypern store migrate` makes them version {VERSION}")
        return
    if version != str(VERSION):
        yield bad("tables", f"version {version}", f"this Hypern knows version {VERSION}: install the other")
        return
    yield good("tables", f"version {version} in the schema {schema}")
    numbers = link.row(_NUMBERS.replace("{s}", schema))
    if numbers is not None:
        waiting, delayed, running, workers = numbers
        found = f"{waiting:,} waiting, {delayed:,} delayed, {running:,} running, {workers} worker processes"
        if waiting and not workers:
            yield note("tasks", found, "nobody runs them: hypern worker APP")
        else:
            yield good("tasks", found)
    size, rows = link.row(_SIZE, (f"{schema}.tasks",)), link.row(_DEAD, (schema,))
    if size is None or rows is None:
        return
    live, dead, cleaned = rows
    found = (
        f"{in_bytes(float(size[0]))}, {live:,} rows and {dead:,} dead ones, cleaned up: {cleaned or 'never'}"
    )
    if dead > max(_MANY_DEAD, live):
        yield care("dead rows", found, "something keeps them from being cleaned up: see the lines below")
    else:
        yield good("dead rows", found)


def _hindrances(link: Link) -> Iterator[Finding]:
    """What keeps dead rows from being cleaned up, so that claims get slower."""
    oldest = link.row(_OLDEST)
    if oldest is not None and oldest[0] > _LONG:
        seconds, pid, name, state = oldest
        found = f"session {pid} {name!r} has been in one for {seconds:,.0f} s ({state})"
        yield care("long transactions", found, f"end it: SELECT pg_terminate_backend({pid})")
    else:
        yield good("long transactions", "none")
    prepared = link.row(_PREPARED)
    if prepared is not None:
        yield care("prepared transactions", str(prepared[0]), "COMMIT PREPARED or ROLLBACK PREPARED it")
    slot = link.row(_SLOTS)
    if slot is not None:
        yield care("replication slots", f"{slot[0]} is not in use", "drop it if nobody will read it")
