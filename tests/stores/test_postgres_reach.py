"""Claiming from many queues: in the order of all of them, whoever else claims, and without locking more than
is taken."""

from __future__ import annotations

import pytest
from tests.stores.postgres_help import ask

from hypern.records import Lane
from hypern.stores.conformance.suite import NOW, make_record
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.store import PostgresStore

QUEUES, EACH, WANTED = 40, 20, 10
ALL = QUEUES * EACH
UNLOCKED = "SELECT id FROM {s}.tasks WHERE state = 0 ORDER BY rank, seq FOR UPDATE SKIP LOCKED"


@pytest.fixture(params=["one by one", "together", "by priority"])
def waiting(request: pytest.FixtureRequest, store: PostgresStore, url: str) -> list[str]:
    """Tasks in many queues: the ids, in the order of their turns."""
    records = [
        make_record(
            f"n{number}",
            queue=f"q{number % QUEUES}",
            wall=NOW + number if request.param == "one by one" else NOW,
            priority=number * 7919 % 100 if request.param == "by priority" else 0,
        )
        for number in range(ALL)
    ]
    store.add_many(records)
    return [task_id for (task_id,) in ask(url, UNLOCKED)]


def claimed(store: PostgresStore, link: Link, wanted: int = WANTED) -> list[str]:
    owner = store._presence.incarnation()
    rows = store._ledger.claiming.claim(link, owner, Lane.THREAD, wanted, NOW, None, ())
    return [row[1] for row in rows]


def test_in_the_order_of_all(store: PostgresStore, waiting: list[str]) -> None:
    link = store._database.connect("test")
    found: list[str] = []
    for wanted in [1, 1, 1, WANTED, 3, 3] * ALL:
        some = claimed(store, link, wanted)
        if not some:
            break
        found += some
    assert found == waiting


def test_few_are_locked(store: PostgresStore, url: str, waiting: list[str]) -> None:
    """Others find all but some of those whose turn is next."""
    link = store._database.connect("test")
    for _ in range(3):
        assert len(claimed(store, link)) == WANTED
    with link.together():
        assert claimed(store, link) == waiting[3 * WANTED : 4 * WANTED]
        assert len(ask(url, UNLOCKED)) > len(waiting) // 2


def test_others_have_locked_the_next_ones(store: PostgresStore, url: str, waiting: list[str]) -> None:
    """As many as are wanted are found all the same, and one of them is started at once."""
    link, other = store._database.connect("test"), store._database.connect("test")
    for _ in range(3):
        claimed(store, link)
    sql = store._database.sql
    for held in (WANTED, 20 * WANTED):
        with other.together():
            names = waiting[3 * WANTED : 3 * WANTED + held]
            other.rows(sql.fill("SELECT 1 FROM {s}.tasks WHERE id = ANY (%b) FOR UPDATE"), (names,))
            assert len(claimed(store, link)) == WANTED
    assert ask(url, "SELECT count(*) FROM {s}.tasks WHERE mark = 2") == [(5,)]


def test_a_higher_priority_goes_first(store: PostgresStore, waiting: list[str]) -> None:
    link = store._database.connect("test")
    for _ in range(3):
        claimed(store, link)
    store.add(make_record("urgent", queue="q7", priority=10_000))
    assert claimed(store, link) == ["urgent", *waiting[3 * WANTED : 4 * WANTED - 1]]


def test_one_that_is_claimed_alone(store: PostgresStore, url: str, waiting: list[str]) -> None:
    """It died among others: nothing is claimed with it."""
    link = store._database.connect("test")
    for _ in range(3):
        claimed(store, link)
    ask(url, "UPDATE {s}.tasks SET mark = 1 WHERE id = %s", waiting[3 * WANTED])
    assert claimed(store, link) == [waiting[3 * WANTED]]
    assert claimed(store, link) == waiting[3 * WANTED + 1 : 4 * WANTED + 1]
