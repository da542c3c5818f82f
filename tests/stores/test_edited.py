"""A row that somebody has edited, with a state, a lane or a priority that is none, harms no other: all that
looks at many goes on, in both durable stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.stores import sqlite_help
from tests.stores.postgres_help import ask, drop, fresh_url, open_store

from hypern.config import Settings
from hypern.records import Completed, Lane, Rules, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import NOW, claim_ids, claimed, finish, kept, make_record, release_all
from hypern.stores.overview import Filter
from hypern.stores.postgres.times import SameTime
from hypern.tasks.engine import Engine
from hypern.tasks.explain import explain_to

Edit = Callable[[str, str, object], None]
ALL = set(TaskStatus)
FAILED = TaskStatus.FAILED


@pytest.fixture(params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Edit]]:
    """A store, and what changes a column of one of its tasks."""
    if request.param == "sqlite":
        store: Store = sqlite_help.open_store(tmp_path)

        def edit(task_id: str, column: str, value: object) -> None:
            with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as connection:
                connection.execute(f"UPDATE hypern_tasks SET {column} = ? WHERE id = ?", (value, task_id))

        yield store, edit
        store.close()
        return
    url = fresh_url(request.getfixturevalue("postgres_server"))
    store = open_store(url, times=SameTime())

    def edit_there(task_id: str, column: str, value: object) -> None:
        ask(url, f"UPDATE {{s}}.tasks SET {column} = %s WHERE id = %s", value, task_id)

    yield store, edit_there
    store.close()
    drop(url)


@pytest.mark.parametrize("state", [-1, 6, 9])
def test_a_state_that_is_none(opened: tuple[Store, Edit], state: int) -> None:
    """It is shown as FAILED and says why, and is counted nowhere; the others are."""
    store, edit = opened
    for name in ("good", "bad"):
        store.add(make_record(name))
    edit("bad", "state", state)
    assert (kept(store, "bad").status, kept(store, "good").status) == (FAILED, TaskStatus.PENDING)
    assert f"its state is kept as {state}" in str(kept(store, "bad").error)
    assert store.marks(["good", "bad"])["bad"].status is FAILED
    assert [record.id for record in store.find(ALL)] == ["good"]
    assert store.ids(Filter()).ids == ["bad", "good"]
    assert store.ids(Filter(statuses=frozenset({TaskStatus.PENDING}))).ids == ["good"]
    assert store.count() == {**dict.fromkeys(ALL, 0), TaskStatus.PENDING: 1}
    assert [(totals.waiting, totals.failed) for totals in store.totals()] == [(1, 0)]
    assert [queue.waiting for queue in store.queues()] == [1]
    assert claim_ids(store) == ["good"]


def test_forgetting_a_state_that_is_none(opened: tuple[Store, Edit]) -> None:
    """It can be deleted; what is counted then of that state is not shown."""
    store, edit = opened
    for name in ("good", "bad"):
        running = claimed(store, make_record(name))
        assert finish(store, running, running.fence, Completed(name))
    edit("bad", "state", 9)
    assert store.delete(["bad"]) == 1
    assert kept(store, "good").result == "good"
    assert store.count()[FAILED] == 0
    assert [totals.failed for totals in store.totals()] == [0]


@pytest.mark.parametrize("lane", [-1, 7])
def test_a_lane_that_is_none(opened: tuple[Store, Edit], lane: int) -> None:
    """Nobody runs it. It is seen with the others, and those that are due with it are released."""
    store, edit = opened
    for name in ("good", "bad"):
        store.add(make_record(name, due=5.0))
    edit("bad", "lane", lane)
    assert {record.id for record in store.find(ALL)} == {"good", "bad"}
    assert release_all(store, 6.0) == {Lane.THREAD}
    assert claim_ids(store) == ["good"]
    assert kept(store, "bad").status is TaskStatus.PENDING
    assert store.cancel("bad", NOW) is not None
    assert store.again("bad", "once more", 6.0, NOW) == "once more"
    assert claim_ids(store) == ["once more"]


@pytest.mark.parametrize("priority", [2**31, -(10**400)])
def test_a_priority_that_is_none(opened: tuple[Store, Edit], priority: int) -> None:
    """Its rules are damaged: it is seen with the usual ones and fails alone; the others are released."""
    store, edit = opened
    for name in ("good", "bad"):
        store.add(make_record(name, due=5.0))
    edit("bad", "rules", b'{"priority":%d}' % priority)
    assert [record.spec.rules for record in store.find(ALL) if record.id == "bad"] == [Rules()]
    release_all(store, 6.0)
    assert claim_ids(store) == ["good"]
    store.flush()
    assert kept(store, "bad").status is FAILED


@pytest.mark.parametrize(("column", "value"), [("state", 9), ("state", -1), ("lane", 7)])
def test_what_is_said_of_it(
    opened: tuple[Store, Edit], column: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`explain` has words for it, and for the one beside it."""
    store, edit = opened
    for name in ("good", "bad"):
        store.add(make_record(name))
    edit("bad", column, value)
    engine = Engine(Settings())
    monkeypatch.setattr(engine, "store", store)
    assert explain_to(engine, "bad").startswith("conformance:task_function")
    assert "waiting for a worker" in explain_to(engine, "good")
