"""A row with which the server itself is at a loss: it is found out, its task fails, and the others go on."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from tests.stores.postgres_help import ask, claim_and_die, open_store

from hypern.records import Lane, TaskStatus
from hypern.stores.conformance.suite import claim_ids, claim_one, kept, make_record, task_function
from hypern.stores.overview import Filter
from hypern.stores.postgres import neighbours
from hypern.stores.postgres.store import PostgresStore

FAILED, PENDING = TaskStatus.FAILED, TaskStatus.PENDING
ALL = set(TaskStatus)
# So long an argument is kept beside the table.
LONG = secrets.token_hex(50_000)


@contextmanager
def as_administrator() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile) as missing:
        pytest.skip(f"this server lets nobody damage a row: {missing}")


def count_to_the_end(url: str, task_id: str) -> None:
    """One more attempt is more than its column can hold."""
    ask(url, "UPDATE {s}.tasks SET attempt = 2147483647 WHERE id = %s", task_id)


def lose_its_arguments(url: str, task_id: str) -> None:
    """What is kept of it beside the table is gone."""
    with as_administrator():
        ask(url, "CREATE EXTENSION IF NOT EXISTS pg_surgery")
    ((beside,),) = ask(
        url, "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = '{s}.tasks'::regclass"
    )
    ((chunk,),) = ask(url, f"SELECT ctid::text FROM {beside} ORDER BY chunk_id DESC, chunk_seq LIMIT 1")
    ask(url, f"SELECT heap_force_kill('{beside}'::regclass, ARRAY['{chunk}'::tid])")


def make_its_name_no_text(url: str, task_id: str) -> None:
    """Whoever writes to a database whose texts may be any bytes can do that."""
    encode = "UPDATE pg_database SET encoding = pg_char_to_encoding(%s) WHERE datname = current_database()"
    with as_administrator():
        ask(url, encode, "SQL_ASCII")
    try:
        with psycopg.connect(url, autocommit=True, client_encoding="SQL_ASCII") as connection:
            connection.execute(rf"UPDATE hypern.tasks SET name = E'\xff' WHERE id = '{task_id}'")
    finally:
        ask(url, encode, "UTF8")


Damage = Callable[[str, str], None]
WAYS = pytest.mark.parametrize(
    "damage", [count_to_the_end, lose_its_arguments, make_its_name_no_text], ids=lambda way: way.__name__
)


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresStore]:
    store = open_store(postgres_url)
    yield store
    store.close()


@WAYS
@pytest.mark.parametrize("lane", Lane)
def test_it_fails_alone(
    store: PostgresStore, postgres_url: str, damage: Damage, lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("before", "bad", "after"):
        store.add(make_record(name, lane=lane, args=(LONG,) if name == "bad" else ()))
    damage(postgres_url, "bad")
    with caplog.at_level(logging.ERROR, "hypern.tasks"):
        assert claim_ids(store, lane) == ["before", "after"]
    assert "task bad failed" in caplog.text
    bad = kept(store, "bad")
    assert bad.status is FAILED
    assert str(bad.error).startswith("Unreadable: ")
    assert store.count()[FAILED] == 1
    assert [beat.tally.failed for beat in store.pulse(0.0) if beat.tally.failed] == [1]


@WAYS
def test_among_those_claimed_together(postgres_url: str, damage: Damage) -> None:
    """All of them are claimed by one statement, which fails; also where queues have limits."""
    store = open_store(postgres_url, ahead=0.01)
    try:
        store.serve(8, None)
        store.set_queue("default", limit=100)
        for number in range(8):
            store.add(make_record(f"n{number}", args=(LONG,) if number == 3 else ()))
        damage(postgres_url, "n3")
        assert claim_ids(store) == ["n0", "n1", "n2", "n4", "n5", "n6", "n7"]
        assert kept(store, "n3").status is FAILED
    finally:
        store.close()


@WAYS
def test_who_looks_sees_it_and_the_others(store: PostgresStore, postgres_url: str, damage: Damage) -> None:
    for name in ("good", "bad"):
        store.add(make_record(name, args=(LONG,)))
    damage(postgres_url, "bad")
    assert kept(store, "bad").status is PENDING
    assert [record.id for record in store.find(ALL)] == ["good", "bad"]
    assert store.find(ALL)[0].args == (LONG,)
    assert store.ids(Filter()).ids == ["bad", "good"]
    assert store.marks(["good", "bad"]).keys() == {"good", "bad"}


def test_a_dead_process_had_it(
    store: PostgresStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else the dead one had is taken back as ever."""
    monkeypatch.setattr(neighbours, "GRACE", 0.0)
    store.add(make_record("good"))
    store.add(make_record("bad", args=(LONG,)))
    claim_and_die(postgres_url, claims=2)
    lose_its_arguments(postgres_url, "bad")
    while not store.rescue(0.0, 0.0):
        pass
    assert claim_one(store).id == "good"
    assert claim_ids(store) == []
    assert kept(store, "bad").status is FAILED


def test_trouble_that_is_of_no_row(store: PostgresStore, postgres_url: str) -> None:
    """Where none of the tasks is to blame, none fails: claiming is tried again later."""
    for name in ("one", "two"):
        store.add(make_record(name, func=task_function))
    ask(
        postgres_url,
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END $$""",
    )
    ask(postgres_url, "CREATE TRIGGER no BEFORE UPDATE ON {s}.tasks EXECUTE FUNCTION refuse()")
    assert store.claim(Lane.THREAD, 0.0) is None
    assert [record.status for record in store.find(ALL)] == [PENDING] * 2
    ask(postgres_url, "DROP TRIGGER no ON {s}.tasks")
    store._hands.look_again()
    assert claim_ids(store) == ["one", "two"]
