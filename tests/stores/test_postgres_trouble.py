"""Trouble of one row, one statement or one moment stays what it is: it is told, and all the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.stores.postgres_help import ask, drop, fresh_url, open_store

from hypern.errors import QueueUnavailable
from hypern.records import Completed, Progress
from hypern.stores.conformance.suite import NOW, claimed, finish, kept, make_record
from hypern.stores.overview import LogLine
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.store import PostgresStore


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    url = fresh_url(postgres_server)
    yield url
    drop(url)


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    store = open_store(url)
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
    store._writer._not_before = 0.0


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
