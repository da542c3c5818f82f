"""Add a task within a transaction of the application: it exists exactly if that commits."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from hypern.errors import InvalidOption, QueueFull
from hypern.records import TaskRecord
from hypern.stores.postgres.adding import TYPES, Parameters
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.statements import ADDED

Values = dict[str, Any]
Rows = list[tuple[Any, ...]]
# Statements with `:name` for their values, each answered with its rows; in the end the answer of `add`.
Steps = Generator[tuple[str, Values], Rows, str | None]

_COLUMNS = ADDED.split(", ")
_SELECTED = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in zip(_COLUMNS, TYPES, strict=True))
# `told` wakes those who sleep, and does so when the transaction commits.
_ADD = f"""
WITH added AS (
    INSERT INTO {{s}}.tasks ({ADDED}) SELECT {_SELECTED}
    WHERE (SELECT value FROM {{s}}.meta WHERE key = 'id') = CAST(:store AS text)
    ON CONFLICT DO NOTHING RETURNING 1
), told AS (SELECT pg_notify('hypern_{{s}}', '') FROM {{s}}.workers WHERE asleep LIMIT 1)
SELECT (SELECT count(*) FROM added) AS added,
    (SELECT value FROM {{s}}.meta WHERE key = 'id') = CAST(:store AS text) AS is_ours,
    (SELECT count(*) FROM told) AS told
"""
_LOCK_KEY = "SELECT pg_advisory_xact_lock(CAST(:locks AS int), hashtext(CAST(:key AS text)))"
_IS_KNOWN = "SELECT 1 FROM {s}.tasks WHERE id = CAST(:id AS text)"
_HOLDER = "SELECT id FROM {s}.tasks WHERE unique_key = CAST(:key AS text) AND state < 3 LIMIT 1"
_KEY_HOLDER = """
SELECT task FROM {s}.keys WHERE unique_key = CAST(:key AS text) AND until > CAST(:now AS float8)
"""
_KEEP_KEY = """
INSERT INTO {s}.keys AS k VALUES (CAST(:key AS text), CAST(:id AS text), CAST(:until AS float8))
ON CONFLICT (unique_key) DO UPDATE SET task = excluded.task, until = excluded.until
    WHERE k.until <= CAST(:now AS float8)
RETURNING 1
"""
_TAKE_BACK = "DELETE FROM {s}.tasks WHERE id = CAST(:id AS text) RETURNING 1"
_PENDING_UP_TO = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM {s}.tasks WHERE state = 0 LIMIT CAST(:most AS bigint)) a)
    + (SELECT count(*) FROM (SELECT 1 FROM {s}.tasks WHERE state = 1 LIMIT CAST(:most AS bigint)) b)
"""

_MARK = re.compile(r":(\w+)")
# A server-side cursor, which SQLAlchemy's connections can be set to, cannot write.
_AT_ONCE = {"stream_results": False}
_NO_TABLES = ("42P01", "3F000")
_WANTED = (
    "connection= takes a connection of psycopg, or a connection or session of SQLAlchemy, to the database "
    "that task_store names"
)


def steps(database: Database, record: TaskRecord, parameters: Parameters, capacity: int | None) -> Steps:
    """What is to be executed to add a task. Raises QueueFull, InvalidOption.

    Nobody else is kept from adding until the transaction ends, so a capacity may be exceeded a little.
    """
    key, submitted_at = record.unique_key, parameters[12]
    period = record.spec.rules.unique_for
    values = {**dict(zip(_COLUMNS, parameters, strict=True)), "store": database.identity}
    if key is not None and database.has_locks:
        yield _LOCK_KEY, {"locks": database.locks, "key": key}
    # See `adding.add_carefully`.
    added = 0
    while not added:
        if key is not None:
            if (yield _IS_KNOWN, {"id": record.id}):
                return record.id
            held = (yield _HOLDER, {"key": key}) or (yield _KEY_HOLDER, {"key": key, "now": submitted_at})
            if held:
                return _text(held[0][0])
        if capacity is not None:
            [(pending,)] = yield _PENDING_UP_TO, {"most": capacity}
            if pending >= capacity:
                raise QueueFull(capacity)
        [(added, is_ours, _)] = yield _ADD, values
        if not is_ours:
            raise InvalidOption(f"{_WANTED}; this one is to another. Nothing was added.")
        if not added and key is None:
            return record.id
    if key is None:
        return None
    kept = {"key": key, "id": record.id, "now": submitted_at, "until": submitted_at + (period or 0.0)}
    while True:
        if period is not None:
            if (yield _KEEP_KEY, kept):
                return None
        elif database.has_locks:
            return None
        held = yield _KEY_HOLDER, {"key": key, "now": submitted_at}
        if held:
            yield _TAKE_BACK, {"id": record.id}
            return _text(held[0][0])
        if period is None:
            return None


def run(database: Database, connection: object, doing: Steps) -> str | None:
    """Execute the steps on a connection that does not have to be awaited. Raises InvalidOption."""
    execute = _execution(connection)
    rows: Rows | None = None
    try:
        while True:
            statement, values = doing.send(rows) if rows is not None else next(doing)
            rows = execute(database.sql.fill(statement), values)
    except StopIteration as end:
        standing: str | None = end.value
        return standing
    except Exception as error:
        raise _explained(error) from error


async def run_async(database: Database, connection: object, doing: Steps) -> str | None:
    """The same, on one of either kind."""
    execute = _awaited(connection)
    if execute is None:
        return run(database, connection, doing)
    rows: Rows | None = None
    try:
        while True:
            statement, values = doing.send(rows) if rows is not None else next(doing)
            rows = await execute(database.sql.fill(statement), values)
    except StopIteration as end:
        standing: str | None = end.value
        return standing
    except Exception as error:
        raise _explained(error) from error


def _execution(connection: object) -> Callable[[str, Values], Rows]:
    if _awaited(connection) is not None:
        raise InvalidOption(
            f"this connection ({type(connection).__name__}) has to be awaited: submit with "
            "`await f.with_options(connection=…).submit_async(…)`."
        )
    if isinstance(connection, psycopg.Connection):
        return _psycopg(connection)
    sqlalchemy = sys.modules.get("sqlalchemy")
    orm = sys.modules.get("sqlalchemy.orm")
    if sqlalchemy is not None and isinstance(connection, sqlalchemy.Connection):
        return _sqlalchemy(connection, connection.dialect.name, sqlalchemy.text)
    sessions = () if orm is None else (orm.Session, orm.scoped_session)
    if sqlalchemy is not None and isinstance(connection, sessions):
        return _sqlalchemy(connection, connection.get_bind().dialect.name, sqlalchemy.text)
    if all(callable(getattr(connection, name, None)) for name in ("cursor", "commit")):
        return _dbapi(connection)
    raise InvalidOption(f"{_WANTED}, not {type(connection).__name__}.")


def _psycopg(connection: psycopg.Connection[Any]) -> Callable[[str, Values], Rows]:
    # Its own may want values without names.
    is_client = issubclass(connection.cursor_factory, psycopg.ClientCursor)
    cursors = psycopg.ClientCursor if is_client else psycopg.Cursor

    def execute(statement: str, values: Values) -> Rows:
        with cursors(connection, row_factory=tuple_row) as cursor:
            cursor.execute(_named(statement), values)
            return cursor.fetchall()

    return execute


def _sqlalchemy(connection: Any, dialect: str, text: Callable[[str], Any]) -> Callable[[str, Values], Rows]:
    _check_dialect(dialect)

    def execute(statement: str, values: Values) -> Rows:
        result = connection.execute(text(statement), values, execution_options=_AT_ONCE)
        return [tuple(row) for row in result]

    return execute


def _dbapi(connection: Any) -> Callable[[str, Values], Rows]:
    """psycopg2, and the connections of Django."""

    def execute(statement: str, values: Values) -> Rows:
        with connection.cursor() as cursor:
            cursor.execute(_named(statement), values)
            rows = cursor.fetchall()
        return [tuple(row.values()) if isinstance(row, Mapping) else tuple(row) for row in rows]

    return execute


def _awaited(connection: object) -> Callable[[str, Values], Awaitable[Rows]] | None:
    """How to execute on a connection that has to be awaited; None: it does not."""
    if isinstance(connection, psycopg.AsyncConnection):
        return _psycopg_async(connection)
    asynchronous, sqlalchemy = sys.modules.get("sqlalchemy.ext.asyncio"), sys.modules.get("sqlalchemy")
    if asynchronous is None or sqlalchemy is None:
        return None
    sessions = (asynchronous.AsyncSession, asynchronous.async_scoped_session)
    if isinstance(connection, asynchronous.AsyncConnection):
        return _sqlalchemy_async(connection, connection.dialect.name, sqlalchemy.text)
    if isinstance(connection, sessions):
        return _sqlalchemy_async(connection, connection.get_bind().dialect.name, sqlalchemy.text)
    return None


def _psycopg_async(connection: psycopg.AsyncConnection[Any]) -> Callable[[str, Values], Awaitable[Rows]]:
    is_client = issubclass(connection.cursor_factory, psycopg.AsyncClientCursor)
    cursors = psycopg.AsyncClientCursor if is_client else psycopg.AsyncCursor

    async def execute(statement: str, values: Values) -> Rows:
        async with cursors(connection, row_factory=tuple_row) as cursor:
            await cursor.execute(_named(statement), values)
            return await cursor.fetchall()

    return execute


def _sqlalchemy_async(
    connection: Any, dialect: str, text: Callable[[str], Any]
) -> Callable[[str, Values], Awaitable[Rows]]:
    _check_dialect(dialect)

    async def execute(statement: str, values: Values) -> Rows:
        result = await connection.execute(text(statement), values, execution_options=_AT_ONCE)
        return [tuple(row) for row in result]

    return execute


def _check_dialect(dialect: str) -> None:
    if dialect != "postgresql":
        raise InvalidOption(f"{_WANTED}; this one speaks to {dialect}.")


def _text(value: Any) -> str:
    """psycopg gives bytes where the connection has no encoding (SQL_ASCII)."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _named(statement: str) -> str:
    """As psycopg has it."""
    return _MARK.sub(r"%(\1)s", statement)


def _explained(error: Exception) -> Exception:
    origin = getattr(error, "orig", None) or getattr(error, "__cause__", None) or error
    state = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
    if state in _NO_TABLES:
        return InvalidOption(f"{_WANTED}; this one is to a database without its tables. Nothing was added.")
    return error
