"""Trouble of one row, one statement or one moment stays what it is: it is told, and all the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.stores.postgres_help import ask, claim_and_die, drop, fresh_url, open_store

from hypern.errors import QueueUnavailable
from hypern.records import Completed, Lane, Progress, Rules, TaskStatus
from hypern.stores.conformance.suite import (
    NOW,
    claim_ids,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
    task_function,
)
from hypern.stores.copying import copy_waiting
from hypern.stores.overview import Filter, LogLine
from hypern.stores.postgres import neighbours
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.store import PostgresStore
from hypern.stores.postgres.times import SameTime

Damage = Callable[[str, str], None]
COMPLETED, FAILED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
NOT_JSON = b"\xff\x00 not what it was"
# A text with a byte that is none.
NOT_TEXT = {
    "rules": b'{"queue":"\xff"}',
    "progress": b'{"fraction":0.5,"message":"\xff"}',
    "call": b'[["\xff"],{}]',
    "result": b'["\xff"]',
}
WAYS = pytest.mark.parametrize("column", ["rules", "call"])


@pytest.fixture(params=["not JSON", "not text"])
def damage(request: pytest.FixtureRequest, url: str) -> Damage:
    """Changes a column of a task, by hand and in one of these ways."""

    def change(task_id: str, column: str) -> None:
        value = NOT_JSON if request.param == "not JSON" else NOT_TEXT[column]
        ask(url, f"UPDATE {{s}}.tasks SET {column} = %s WHERE id = %s", value, task_id)

    return change


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    store = open_store(url, times=SameTime())
    yield store
    store.close()


@contextmanager
def away(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No connection for what tasks write, and none to be had."""

    def refused(*args: Any) -> Link:
        raise QueueUnavailable("the server is away")

    transactions: Any = store._writer._transactions
    with monkeypatch.context() as patch:
        patch.setattr(store._database, "connect", refused)
        transactions._let_go()
        yield
    store._writer._line.not_before = 0.0


@contextmanager
def one_lost(
    statement: str, monkeypatch: pytest.MonkeyPatch, *, is_done: bool = False, after: int = 0
) -> Iterator[None]:
    """The connection is lost with this statement, once: before the server has it, or with its answer. `after`
    so many of them."""
    rows, left = Link.rows, [after]

    def cut(link: Link, asked: str, parameters: Any = ()) -> Any:
        if asked != statement or left[0] < 0:
            return rows(link, asked, parameters)
        left[0] -= 1
        found = rows(link, asked, parameters) if is_done or left[0] >= 0 else []
        if left[0] >= 0:
            return found
        link.close()
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(Link, "rows", cut)
        yield
    assert left == [-1]


def line(text: str, at: float = NOW) -> LogLine:
    return LogLine(at, 20, "shop", text)


def seen(url: str, task_id: str, what: str) -> Any:
    """By another process."""
    other = open_store(url)
    try:
        return other.logs(task_id) if what == "logs" else kept(other, task_id).progress
    finally:
        other.close()


# -- what a running task says ----------------------------------------------------------------------


@pytest.mark.parametrize("is_done", [False, True])
def test_progress_is_written_again_where_it_was_not_answered(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """A connection that is lost with a report costs no report."""
    running = claimed(store, make_record("one"))
    with one_lost(store._sql.REPORT, monkeypatch, is_done=is_done):
        store.report(running, running.fence, Progress(0.1, "begun"))
        store.flush()
    assert seen(url, "one", "progress") == Progress(0.1, "begun")


def test_progress_goes_on_after_trouble(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that could not be written holds up none of the later ones."""
    running = claimed(store, make_record("one"))
    with away(store, monkeypatch):
        assert store.report(running, running.fence, Progress(0.1, None))
        store.flush()
    assert store.report(running, running.fence, Progress(0.2, None))
    store.flush()
    assert seen(url, "one", "progress") == Progress(0.2, None)
    assert finish(store, running, running.fence, Completed(None))


def test_lines_of_the_log_wait_for_the_end_of_trouble(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a task logs while the server is away is written when it is back, and before its outcome is."""
    running = claimed(store, make_record("one"))
    with away(store, monkeypatch):
        for number in range(3):
            store.log(running, running.fence, [line(f"during {number}")])
            store.flush()
    store.log(running, running.fence, [line("after")])
    assert finish(store, running, running.fence, Completed(None))
    assert [each.text for each in seen(url, "one", "logs")] == ["during 0", "during 1", "during 2", "after"]


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("after", [0, 1])
def test_lines_of_the_log_are_written_once(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch, is_done: bool, after: int
) -> None:
    """A connection that is lost with the lines of one task, or of the next one, loses and doubles none."""
    tasks = [claimed(store, make_record(name)) for name in ("one", "two")]
    with one_lost(store._sql.ADD_LOGS, monkeypatch, is_done=is_done, after=after):
        for running in tasks:
            store.log(running, running.fence, [line("first"), line("second", NOW + 1.0)])
        store.flush()
    for running in tasks:
        assert seen(url, running.id, "logs") == [line("first"), line("second", NOW + 1.0)]
    assert ask(url, "SELECT count(*) FROM {s}.logs") == [(4,)]


# -- a name of one's own ---------------------------------------------------------------------------


def test_a_process_that_loses_its_name_and_its_session(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was taken for dead, and loses its session before it has a new name, starts nothing that
    it had claimed under the former one; its outcomes are refused, without an error."""
    other = open_store(url, ahead=0.01)
    try:
        other.serve(4, None)
        for number in range(3):
            store.add(make_record(f"n{number}"))
        other._hands.look_again()
        running = claim_one(other)
        ask(url, "UPDATE {s}.workers SET lease_until = 1")
        assert store.rescue(0.0, NOW) == 3
        with one_lost(other._sql.ENTER, monkeypatch):
            other.watch(0.0, NOW)
        assert not other.can_claim()
        assert other.claim(Lane.THREAD, NOW) is None
        assert not finish(other, running, running.fence, Completed("late"))
        assert claim_one(store).id == "n0"
        other.watch(100.0, NOW)
        other._hands.look_again()
        assert claim_one(other).fence == 2
    finally:
        other.close()


def test_what_ends_after_close_is_not_recorded(store: PostgresStore, url: str) -> None:
    """A function that outlives its store ends without an error, and opens no connection."""
    running = claimed(store, make_record("one"))
    store.close()
    assert store.report(running, running.fence, Progress(0.5, None))
    store.log(running, running.fence, [line("late")])
    assert not finish(store, running, running.fence, Completed("late"))
    assert not store.is_busy()
    assert not store._database.links._open


# -- a damaged row ---------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("lane", Lane)
def test_claiming_a_damaged_task_fails_it_alone(
    store: PostgresStore, url: str, damage: Damage, column: str, lane: Lane
) -> None:
    """It ends FAILED as unreadable, and says why; the tasks before and after it run."""
    for name in ("before", "bad", "after"):
        store.add(make_record(name, lane=lane))
    damage("bad", column)
    assert claim_ids(store, lane) == ["before", "after"]
    store.flush()
    bad = kept(store, "bad")
    assert bad.status is FAILED
    what = {"rules": "rules", "call": "arguments"}[column]
    assert bad.error is not None
    assert bad.error.startswith(f"Unreadable: its {what} cannot be read here")


def test_a_damaged_task_among_those_claimed_together(url: str, damage: Damage) -> None:
    """Of several that are claimed by one statement only that one fails."""
    store = open_store(url, ahead=0.01)
    try:
        store.serve(4, None)
        for number in range(4):
            store.add(make_record(f"n{number}"))
        damage("n1", "rules")
        assert claim_ids(store) == ["n0", "n2", "n3"]
        store.flush()
        assert kept(store, "n1").status is FAILED
    finally:
        store.close()


@WAYS
def test_readers_of_many_go_on(store: PostgresStore, url: str, damage: Damage, column: str) -> None:
    """Whoever looks at all sees it beside the others, with usual rules or without arguments, and that does
    not make it good: it is not run."""
    for name in ("good", "bad"):
        store.add(make_record(name, args=(1,)))
    damage("bad", column)
    found = {record.id: record for record in store.find({PENDING})}
    assert found["good"].args == (1,)
    if column == "rules":
        assert found["bad"].spec.rules == Rules()
    assert store.ids(Filter()).ids == ["bad", "good"]
    assert [state.waiting for state in store.queues()] == [2]
    assert store.ahead(found["bad"]) == 1
    assert claim_ids(store) == ["good"]


@WAYS
def test_a_damaged_task_holds_up_no_release(
    store: PostgresStore, url: str, damage: Damage, column: str
) -> None:
    """Delayed tasks beside it become ready, expired ones beside one are cancelled, and so is it."""
    for name in ("good", "bad"):
        store.add(make_record(name, due=5.0))
        store.add(make_record(f"{name} expiring", expires_at=4.0))
    damage("bad", column)
    damage("bad expiring", column)
    release_all(store, 6.0)
    assert [kept(store, f"{name} expiring").status for name in ("good", "bad")] == [CANCELLED] * 2
    assert claim_ids(store) == ["good"]


@WAYS
def test_a_damaged_task_holds_up_no_rescue(
    store: PostgresStore, url: str, damage: Damage, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a dead process's tasks it is taken back as the others are."""
    monkeypatch.setattr(neighbours, "GRACE", 0.0)
    for name in ("bad", "good"):
        store.add(make_record(name))
    claim_and_die(url, claims=2)
    damage("bad", column)
    number = 0
    while not number:
        number = store.rescue(0.0, NOW)
    assert number == 2
    assert claim_ids(store) == ["good"]


@WAYS
def test_a_damaged_task_can_be_steered(store: PostgresStore, url: str, damage: Damage, column: str) -> None:
    """Cancelling, hastening, repeating, deleting and forgetting need neither rules nor arguments."""
    for name in ("bad", "late"):
        store.add(make_record(name, due=1000.0))
        damage(name, column)
    assert store.hasten("late", 0.0, NOW)
    assert store.cancel("bad", NOW) is not None
    assert kept(store, "bad").status is CANCELLED
    assert store.again("bad", "once more", 0.0, NOW) == "once more"
    assert store.delete(["bad"]) == 1
    assert claim_ids(store) == []
    store.flush()
    assert [kept(store, name).status for name in ("late", "once more")] == [FAILED] * 2
    assert store.prune(NOW + 1e9) == 2


@WAYS
def test_a_damaged_task_is_copied_as_it_is(
    store: PostgresStore, url: str, damage: Damage, column: str
) -> None:
    """Copying to another store carries the others, and it, too; there it fails alone."""
    for name in ("good", "bad"):
        store.add(make_record(name))
    damage("bad", column)
    store.close()
    other_url = fresh_url(url.partition("?")[0])
    try:
        assert copy_waiting(url, other_url, remove=False, wait=0.0, told=lambda copied: None).new == 2
        other = open_store(other_url)
        try:
            other._hands.look_again()
            assert claim_ids(other) == ["good"]
            other.flush()
            assert kept(other, "bad").status is FAILED
        finally:
            other.close()
    finally:
        drop(other_url)


def test_damaged_progress_reads_as_none(store: PostgresStore, url: str, damage: Damage) -> None:
    """Looking at one or at all is not kept up by it, and it can still end."""
    running = claimed(store, make_record("bad"))
    damage("bad", "progress")
    assert kept(store, "bad").progress is None
    assert [record.id for record in store.find({RUNNING})] == ["bad"]
    assert store.marks(["bad"])["bad"].progress is None
    assert finish(store, running, running.fence, Completed("done"))


def test_a_damaged_result_is_said_to_be_one(store: PostgresStore, url: str, damage: Damage) -> None:
    """The task is COMPLETED, without its result and with the reason; the others have theirs."""
    for name in ("good", "bad"):
        running = claimed(store, make_record(name))
        assert finish(store, running, running.fence, Completed([name]))
    damage("bad", "result")
    found = {record.id: record for record in store.find({COMPLETED})}
    assert (found["good"].result, found["bad"].result) == (["good"], None)
    assert str(found["bad"].result_omitted).startswith("it cannot be read here")


def test_a_worker_that_is_described_in_damaged_words(store: PostgresStore, url: str) -> None:
    """It is not listed; the others are, and its tasks are its own."""
    other = open_store(url)
    try:
        for each in (store, other):
            each.serve(1, None)
        ask(url, "UPDATE {s}.workers SET about = %s WHERE id = %s", NOT_JSON, store._presence.id)
        assert [worker.id for worker in other.workers()] == [other._presence.id]
        running = claimed(store, make_record("one", func=task_function))
        assert other.rescue(0.0, NOW) == 0
        assert finish(store, running, running.fence, Completed(None))
    finally:
        other.close()


def test_damaged_beats_harm_no_other(store: PostgresStore, url: str) -> None:
    """What has been counted in other rows is still shown, and put together."""
    for name in ("one", "two"):
        running = claimed(store, make_record(name))
        assert finish(store, running, running.fence, Completed(None))
    ask(url, "UPDATE {s}.pulse SET tally = %s WHERE ctid = (SELECT min(ctid) FROM {s}.pulse)", NOT_JSON)
    for _ in range(2):
        assert sum(beat.tally.completed for beat in store.pulse(NOW - 60.0)) == 1
        store.prune(NOW + 3600.0)
