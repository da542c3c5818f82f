"""Statements that go straight through libpq do what psycopg would do with them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import psycopg
import pytest
from tests.stores.postgres_help import ask

from hypern.stores.conformance.suite import claim_ids, make_record
from hypern.stores.postgres import adding, prepared
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.store import PostgresStore

INT8 = psycopg.adapters.types["int8"].oid
_int8 = struct.Struct("!q").pack


@pytest.fixture
def link(store: PostgresStore) -> Iterator[Link]:
    link = store._database.connect("test")
    yield link
    link.close()


def test_errors_are_those_of_psycopg(link: Link) -> None:
    """What the server refuses is raised with its class and its text; the next statement works."""
    with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
        link.execute_prepared("SELECT 1 / $1", [INT8], [_int8(0)])
    with pytest.raises(psycopg.errors.UndefinedTable, match="no_such_table"):
        link.execute_prepared("SELECT $1 FROM no_such_table", [INT8], [_int8(0)])
    link.execute_prepared("SELECT 1 / $1", [INT8], [_int8(1)])
    assert link.row("SELECT 7::int") == (7,)


def test_a_server_that_does_not_answer(link: Link) -> None:
    """After the patience of its connection a statement fails, and the connection is closed."""
    link.rows("SET statement_timeout = 0")
    link.patience = 0.05
    with pytest.raises(psycopg.OperationalError, match="has not answered"):
        link.execute_prepared("SELECT pg_sleep($1)", [INT8], [_int8(60)])
    assert link.closed


def test_a_session_that_was_ended(link: Link, url: str) -> None:
    """It is an OperationalError, and the connection is known to be closed."""
    pid = link.pgconn.backend_pid
    ask(url, "SELECT pg_terminate_backend(%s, 5000)", pid)
    with pytest.raises(psycopg.OperationalError):
        link.execute_prepared("SELECT $1", [INT8], [_int8(1)])
    assert link.closed


def test_few_are_kept(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session keeps only so many prepared statements, and each works again after it was forgotten."""
    monkeypatch.setattr(prepared, "_KEPT", 3)
    for _ in range(2):
        for number in range(5):
            link.execute_prepared(f"SELECT $1 + {number}", [INT8], [_int8(1)])
    row = link.row("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'hypern%%'")
    assert row is not None
    assert 0 < row[0] <= 3


def test_odd_names(store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that look like placeholders, quotes and parameters are kept as they are, and of more tasks than
    there are statements for."""
    monkeypatch.setattr(adding, "_PLAIN_KEPT", 2)
    names = ["it's", "100%", "%b", "$1", "%name", 'say "so"', "\\", "naïve ✓"]
    records = [make_record(queue=name) for name in names * 2]
    for record in records:
        assert store.add(record) is None
    assert store.add(records[0]) == records[0].id
    assert ask(url, "SELECT queue FROM {s}.tasks ORDER BY seq") == [(name,) for name in names * 2]
    assert sorted(claim_ids(store)) == sorted(record.id for record in records)
