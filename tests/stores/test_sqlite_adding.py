"""Tasks that are added in one transaction share statements; each still gets its own answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.sqlite_help import open_store

from hypern.records import TaskRecord
from hypern.stores.conformance.suite import make_record
from hypern.stores.sqlite.adding import PlainAdding
from hypern.stores.sqlite.store import SQLiteStore

WAIT = 20.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path)
    store.add(make_record("known"))
    yield store
    store.close()


def add_in_one_transaction(store: SQLiteStore, records: list[TaskRecord]) -> list[Any]:
    """The answers to the adding of each of these, which all stand in line before one is written."""
    answers: dict[str, Any] = {}
    all_told = threading.Event()
    begun, go_on = threading.Event(), threading.Event()

    def hold(transaction: Any) -> None:
        begun.set()
        assert go_on.wait(WAIT)

    holding = threading.Thread(target=store._writer.run, args=(hold,))
    holding.start()
    assert begun.wait(WAIT)
    for number, record in enumerate(records):

        def done(standing: str | None, error: BaseException | None, number: int = number) -> None:
            answers[str(number)] = error or standing
            if len(answers) == len(records):
                all_told.set()

        store.add_soon(record, done)
    go_on.set()
    holding.join()
    assert all_told.wait(WAIT)
    return [answers[str(number)] for number in range(len(records))]


def ids(store: SQLiteStore) -> list[str]:
    """In the order in which they were added."""
    with store._readers.reading() as connection:
        return [task_id for (task_id,) in connection.execute("SELECT id FROM hypern_tasks ORDER BY seq")]


def test_many_in_few_statements(store: SQLiteStore) -> None:
    """Seventy tasks need three statements, are all there, and stand in the order in which they came."""
    written: list[str] = []
    store._database.writer().set_trace_callback(written.append)
    names = [f"task-{number}" for number in range(70)]
    assert add_in_one_transaction(store, [make_record(name) for name in names]) == [None] * 70
    assert ids(store) == ["known", *names]
    assert sum("INSERT INTO hypern_tasks" in statement for statement in written) == 3


def test_one_that_is_known(store: SQLiteStore) -> None:
    """Adding an id again, known before or added by the neighbour, is answered with it; the rest is new."""
    again = [make_record(name) for name in ("one", "known", "two", "two", "three")]
    assert add_in_one_transaction(store, again) == [None, "known", None, "two", None]
    assert ids(store) == ["known", "one", "two", "three"]


def test_one_that_cannot_be_written(store: SQLiteStore) -> None:
    """What SQLite does not take fails by itself."""
    bad = make_record("bad", queue="half a character: \ud800")
    store._known_queues.add(bad.spec.queue)
    answers = add_in_one_transaction(store, [make_record("one"), bad, make_record("two")])
    assert (answers[0], answers[2]) == (None, None)
    assert isinstance(answers[1], UnicodeEncodeError)
    assert ids(store) == ["known", "one", "two"]


def test_with_others(store: SQLiteStore) -> None:
    """One with a key, between plain ones, is held against the key."""
    store.add(make_record("holder", unique_key="k"))
    records = [make_record("one"), make_record("two", unique_key="k"), make_record("three")]
    assert add_in_one_transaction(store, records) == [None, "holder", None]
    assert ids(store) == ["known", "holder", "one", "three"]


def test_plain_ones_only(tmp_path: Path) -> None:
    """Where something has to be looked at first, each task is added by itself."""

    def is_plain(store: SQLiteStore, record: TaskRecord) -> bool:
        store._known_queues.add("default")
        try:
            return isinstance(store._adding(record), PlainAdding)
        finally:
            store.close()

    assert is_plain(open_store(tmp_path), make_record("one"))
    assert not is_plain(open_store(tmp_path, capacity=10), make_record("one"))
    assert not is_plain(open_store(tmp_path), make_record("one", unique_key="k"))
    assert not is_plain(open_store(tmp_path), make_record("one", queue="new"))
