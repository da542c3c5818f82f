"""What the SQLite store waits for the disk with: all that was promised, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.stores.sqlite_help import claim_and_die

from hypern.records import Again, Completed, Lane
from hypern.stores.conformance.suite import NOW, claim_one, finish, make_record
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.store import SQLiteStore
from hypern.stores.sqlite.transacting import Transactions

Verb = Callable[[SQLiteStore, Path], object]


def add_soon(store: SQLiteStore, directory: Path) -> None:
    told = threading.Event()
    store.add_soon(make_record("new"), lambda answer, error: told.set())
    assert told.wait(20)


def run(store: SQLiteStore) -> None:
    """A task that is running here."""
    store.add(make_record("runs"))
    claim_one(store)


def die(store: SQLiteStore, directory: Path) -> None:
    """A task whose process has died."""
    store.add(make_record("left"))
    claim_and_die(directory)


def end(store: SQLiteStore, ending: Completed | Again) -> None:
    claim = store._hands._claims["runs"]
    assert finish(store, claim.record, claim.fence, ending)


# What comes before, and the verb.
DURABLE: dict[str, tuple[Verb, Verb]] = {
    "add": (lambda store, _: None, lambda store, _: store.add(make_record("new"))),
    "add_many": (
        lambda store, _: None,
        lambda store, _: store.add_many([make_record("one"), make_record("two")]),
    ),
    "add_soon": (lambda store, _: None, add_soon),
    "finish": (lambda store, _: run(store), lambda store, _: end(store, Completed("value"))),
    "finish, again": (lambda store, _: run(store), lambda store, _: end(store, Again("no", None, 5.0))),
    "cancel": (
        lambda store, _: store.add(make_record("waits")),
        lambda store, _: store.cancel("waits", NOW),
    ),
    "cancel, running": (lambda store, _: run(store), lambda store, _: store.cancel("runs", NOW)),
    "rescue": (die, lambda store, _: store.rescue(0.0, NOW)),
    "give_back": (lambda store, _: run(store), lambda store, _: store.give_back()),
    "set_queue": (lambda store, _: None, lambda store, _: store.set_queue("mail", paused=True)),
}
OTHERS: dict[str, tuple[Verb, Verb]] = {
    "claim": (
        lambda store, _: store.add(make_record("waits")),
        lambda store, _: store.claim(Lane.THREAD, NOW),
    ),
    "release": (
        lambda store, _: store.add(make_record("late", due=5.0)),
        lambda store, _: store.release(5.0, NOW),
    ),
    "prune": (
        lambda store, _: (store.add(make_record("gone")), store.cancel("gone", NOW)),
        lambda store, _: store.prune(NOW + 1e9),
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(Address(tmp_path / "tasks.db", "full"), ahead=0.0)
    yield store
    store.close()


def commits(store: SQLiteStore, directory: Path, before: Verb, verb: Verb) -> set[str]:
    """With which settings of `synchronous` this verb commits what it has written."""
    before(store, directory)
    connection = store._database.writer()
    (number,) = connection.execute("PRAGMA synchronous").fetchone()
    now = {1: "normal", 2: "full"}[number]
    seen = set()
    has_written = False

    def trace(statement: str) -> None:
        nonlocal now, has_written
        if statement.startswith("PRAGMA synchronous = "):
            now = statement.rpartition(" ")[2]
        elif statement == "COMMIT":
            # Who only waits for another writer commits nothing.
            if has_written:
                seen.add(now)
            has_written = False
        elif not statement.startswith(("PRAGMA", "BEGIN", "SELECT", "ROLLBACK")):
            has_written = True

    connection.set_trace_callback(trace)
    verb(store, directory)
    connection.set_trace_callback(None)
    return seen


@pytest.mark.parametrize("verb", DURABLE)
def test_what_was_promised_is_on_disk(store: SQLiteStore, tmp_path: Path, verb: str) -> None:
    """What these have answered survives a power cut: they commit with synchronous=FULL."""
    assert commits(store, tmp_path, *DURABLE[verb]) == {"full"}


@pytest.mark.parametrize("verb", OTHERS)
def test_what_can_be_done_again_waits_for_no_disk(store: SQLiteStore, tmp_path: Path, verb: str) -> None:
    """What a power cut takes of these is done anew, and so does not wait."""
    assert commits(store, tmp_path, *OTHERS[verb]) == {"normal"}


@pytest.mark.parametrize("verb", DURABLE)
def test_a_store_that_does_not_wait_is_found(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """With synchronous=NORMAL everywhere, which no model of the rows can see, each of these tests fails."""
    begin = Transactions._begin
    monkeypatch.setattr(Transactions, "_begin", lambda transactions, durable: begin(transactions, False))
    assert commits(store, tmp_path, *DURABLE[verb]) == {"normal"}
