"""Trouble of one statement or one moment stays what it is: it is told, and all the rest goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.stores.sqlite_help import by_hand, open_store

from hypern.clock import SystemClock
from hypern.errors import QueueFull, QueueUnavailable
from hypern.events import Events
from hypern.records import Again, Completed, Lane, Progress, TaskRecord, TaskStatus
from hypern.stores.conformance.suite import (
    NOW,
    Ear,
    claim_ids,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
)
from hypern.stores.overview import LogLine
from hypern.stores.sqlite.store import SQLiteStore
from hypern.tasks.worker import Work

THREAD = Lane.THREAD
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


class Full:
    """A connection on a full disk: SQLite ends the transaction by itself when it finds no room for a row."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, *parameters: Any) -> Any:
        if "INSERT INTO hypern_tasks" in statement:
            self._connection.execute("ROLLBACK")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[misc]
            raise error
        return self._connection.execute(statement, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextmanager
def locked(store: SQLiteStore) -> Iterator[None]:
    """Somebody else writes, and has done so for some time: nobody waits for him any longer."""
    transactions: Any = store._writer._transactions
    with by_hand(store) as holder:
        holder.execute("BEGIN IMMEDIATE")
        transactions._locked_at = float("inf")
        yield
        transactions._locked_at = float("-inf")
        store._writer._line.not_before = 0.0
        holder.execute("ROLLBACK")


# -- adding ----------------------------------------------------------------------------------------


def test_a_full_disk_under_many_at_once_is_told_as_it_is(store: SQLiteStore) -> None:
    """SQLite ends the transaction by itself then: `add_many` says that the disk is full, and nothing else."""
    store.add(make_record("before"))
    many = [make_record(f"many:{number}") for number in range(20)]
    writer = store._database.writer()
    store._database._writer = Full(writer)  # type: ignore[assignment]
    with pytest.raises(QueueUnavailable, match="disk is full"):
        store.add_many(many)
    store._database._writer = writer
    assert [record.id for record in store.find({PENDING})] == ["before"]
    assert store.add_many(many) == [None] * 20


def test_too_many_at_once_leave_the_transaction_to_the_others(tmp_path: Path) -> None:
    """`add_many` beyond the capacity keeps nothing, and what stands in the same transaction is kept."""
    with closing(open_store(tmp_path, capacity=2)) as store:

        def work(transaction: Any) -> None:
            transaction.execute("INSERT INTO hypern_queues (name) VALUES ('other')")

        answers: list[BaseException | None] = []
        store._writer.post(work, lambda result, error: answers.append(error), soon=False)
        with pytest.raises(QueueFull):
            store.add_many([make_record() for _ in range(3)])
        store.flush()
        assert answers == [None]
        assert store.count()[PENDING] == 0
        with by_hand(store) as connection:
            assert connection.execute("SELECT name FROM hypern_queues").fetchall() == [("other",)]


def test_a_new_queue_is_known_though_one_of_many_was_there_already(store: SQLiteStore) -> None:
    """What `add_many` adds to a new queue beside an id that is known is claimed."""
    store.add(make_record("known"))
    assert store.add_many([make_record("known"), make_record("new", queue="new")]) == ["known", None]
    assert set(claim_ids(store)) == {"known", "new"}


def test_a_queue_is_not_known_for_a_task_that_was_not_added(store: SQLiteStore) -> None:
    """Where a unique key was taken, by a task of another queue, the next one of this queue is still found."""
    store.add(make_record("holder", unique_key="k"))
    assert store.add(make_record("refused", unique_key="k", queue="new")) == "holder"
    assert store.add(make_record("next", queue="new")) is None
    assert set(claim_ids(store)) == {"holder", "next"}


# -- after the end ---------------------------------------------------------------------------------


def test_nothing_is_opened_anew_after_close(store: SQLiteStore) -> None:
    """Whoever comes after `close`, also to a connection that had been let go, is told so; nothing is open."""
    store._database.let_go_of_writer()
    store.close()
    for late in (lambda: store.add(make_record()), lambda: store.get("x"), store.next_due):
        with pytest.raises(QueueUnavailable, match="closed"):
            late()
    assert not store._database.connections._open


def test_what_ends_after_close_is_not_recorded(store: SQLiteStore) -> None:
    """A function that outlives its store ends without an error, and gives no new sign of life."""
    running = claimed(store, make_record("one"))
    store.close()
    assert store.report(running, running.fence, Progress(0.5, None))
    assert not finish(store, running, running.fence, Completed("late"))
    assert not store.is_busy()
    assert list(store._database.address.workers.iterdir()) == []


# -- a worker's verbs ------------------------------------------------------------------------------


def make_work(store: SQLiteStore) -> Work:
    work = Work(store, SystemClock(), Events(), lambda: None, lambda due: None)

    class Listener(Ear):
        def on_finished(self, record: Any, ending: Any, recorded: bool) -> None:
            work.finished(record, record.attempt, ending, recorded)

    store.attach(Listener())
    return work


def test_a_turn_that_cannot_be_written_puts_the_task_back(store: SQLiteStore) -> None:
    """A worker that cannot book the start of a task with a rate lives on; the task waits again, and runs when
    the store has recovered."""
    work = make_work(store)
    store.add(make_record("paced", rate=1000.0))
    held: list[Any] = []
    original = store.claim

    def claim_and_lock(lane: Lane, wall: float) -> TaskRecord | None:
        record = original(lane, wall)
        if record is not None and not held:
            held.append(locked(store))
            held[0].__enter__()
        return record

    store.claim = claim_and_lock  # type: ignore[method-assign]
    assert work.claim(THREAD) is None
    assert kept(store, "paced").status is RUNNING
    assert not store.is_busy()
    held[0].__exit__(None, None, None)
    store.flush()
    after = kept(store, "paced")
    assert (after.status, after.attempt) == (PENDING, 0)
    release_all(store, SystemClock().steady() + 5.0)
    again = work.claim(THREAD)
    assert again is not None
    assert (again.id, again.attempt) == ("paced", 1)


def test_an_unexpected_error_in_a_turn_puts_the_task_back(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, whatever a store raises there."""
    work = make_work(store)
    store.add(make_record("paced", rate=1000.0))

    def broken(*args: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "admit", broken)
    assert work.claim(THREAD) is None
    store.flush()
    after = kept(store, "paced")
    assert (after.status, after.attempt) == (PENDING, 0)
    monkeypatch.undo()
    release_all(store, SystemClock().steady() + 5.0)
    assert work.claim(THREAD) is not None


def test_a_store_in_trouble_ends_no_thread(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever claiming raises, there is nothing to do then, and it is looked for again later."""
    work = make_work(store)
    store.add(make_record("one"))

    def broken(*args: object) -> None:
        raise sqlite3.DatabaseError("this should not happen")

    monkeypatch.setattr(store._hands._ledger, "claim", broken)
    assert work.claim(THREAD) is None
    assert store._hands.missed
    monkeypatch.undo()
    steady = SystemClock().steady()
    store.watch(steady, NOW)
    assert work.claim(THREAD) is not None


def test_claimed_tasks_are_given_back_when_that_is_possible(tmp_path: Path) -> None:
    """What was claimed ahead and cannot be given back now does not stay RUNNING."""
    with closing(open_store(tmp_path, ahead=0.01)) as store:
        store.serve(4, None)
        for number in range(4):
            store.add(make_record(f"task:{number}"))
        claim_one(store)
        assert len(store.find({RUNNING})) == 4
        with locked(store):
            store.let_go()
            assert len(store.find({RUNNING})) == 4
        store.flush()
        assert len(store.find({RUNNING})) == 1


def test_progress_goes_on_after_trouble(store: SQLiteStore) -> None:
    """A report that could not be written holds up none of the later ones."""
    running = claimed(store, make_record("one"))
    with locked(store):
        assert store.report(running, running.fence, Progress(0.1, None))
        with pytest.raises(QueueUnavailable):
            store.add(make_record())
    store.flush()
    assert store.report(running, running.fence, Progress(0.2, None))
    store.flush()
    with closing(open_store(store._database.address.path.parent)) as other:
        assert kept(other, "one").progress == Progress(0.2, None)
    assert finish(store, running, running.fence, Completed(None))


def test_lines_of_the_log_wait_for_the_end_of_trouble(store: SQLiteStore) -> None:
    """What a task logs while the file is locked is written afterwards, and so are later lines."""
    running = claimed(store, make_record("one"))
    lines = [LogLine(NOW, 20, "shop", f"line {number}") for number in range(3)]
    with locked(store):
        for line in lines[:2]:
            store.log(running, running.fence, [line])
            store.flush()
    store.log(running, running.fence, lines[2:])
    assert finish(store, running, running.fence, Completed(None))
    assert store.logs("one") == lines


def test_a_cancel_that_cannot_be_repeated_harms_no_thread(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that was asked to stop, and was to run again, is not started although saying so once more has
    failed."""
    work = make_work(store)
    store.add(make_record("one", retries=3))
    running = work.claim(THREAD)
    assert running is not None
    assert store.cancel("one", NOW) is not None

    def unavailable(*args: object) -> None:
        raise QueueUnavailable("not now")

    monkeypatch.setattr(store, "cancel", unavailable)
    work.end(running, running.fence, running.attempt, Again("ValueError", "", SystemClock().steady() + 1.0))
    store.flush()
    release_all(store, SystemClock().steady() + 1000.0)
    assert work.claim(THREAD) is None
    store.flush()
    assert kept(store, "one").status is TaskStatus.CANCELLED


def test_a_sign_of_life_that_cannot_be_given(store: SQLiteStore, tmp_path: Path) -> None:
    """Where its file cannot be made, claiming says so, nothing is left half made, and it is tried again."""
    workers = store._database.address.workers
    store.add(make_record("one"))
    workers.write_text("this is no directory")
    with pytest.raises(QueueUnavailable, match=str(workers)):
        store.serve(1, None)
    workers.unlink()
    store.serve(1, None)
    assert claim_ids(store) == ["one"]
    assert len(list(workers.iterdir())) == 2
