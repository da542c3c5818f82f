"""A damaged row fails alone, as unreadable; all others are claimed, released and rescued as ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.sqlite_help import by_hand, claim_and_die, open_store

from hypern.records import Rules, TaskStatus
from hypern.stores.conformance.suite import NOW, claim_ids, claimed, kept, make_record, release_all
from hypern.stores.sqlite.store import SQLiteStore

PENDING, RUNNING, FAILED = TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.FAILED
NOT_JSON = b"\xff\x00 not what it was"
# A text with a byte that is none.
NOT_TEXT = b'{"queue":"\xff","message":"\xff","fraction":0.5}'
WAYS = pytest.mark.parametrize("value", [NOT_JSON, NOT_TEXT], ids=["not JSON", "not text"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


def damage(store: SQLiteStore, task_id: str, column: str = "rules", value: Any = NOT_JSON) -> None:
    with by_hand(store) as connection:
        connection.execute(f"UPDATE hypern_tasks SET {column} = ? WHERE id = ?", (value, task_id))


@WAYS
def test_claiming_damaged_rules_fails_that_task_alone(store: SQLiteStore, value: bytes) -> None:
    """It ends FAILED as unreadable, and says why; the tasks before and after it run."""
    for name in ("before", "bad", "after"):
        store.add(make_record(name))
    damage(store, "bad", value=value)
    assert claim_ids(store) == ["before", "after"]
    store.flush()
    bad = kept(store, "bad")
    assert bad.status is FAILED
    assert bad.error is not None
    assert bad.error.startswith("Unreadable: its rules cannot be read here")


@WAYS
def test_looking_at_damaged_rules_does_not_make_them_good(store: SQLiteStore, value: bytes) -> None:
    """A task that has been looked at with usual rules is not run with them."""
    store.add(make_record("bad"))
    damage(store, "bad", value=value)
    assert [record.spec.rules for record in store.find({PENDING})] == [Rules()]
    assert claim_ids(store) == []
    store.flush()
    assert kept(store, "bad").status is FAILED


@WAYS
def test_damaged_rules_hold_up_no_release(store: SQLiteStore, value: bytes) -> None:
    """Delayed tasks beside a damaged one become ready, expired ones beside one are cancelled."""
    for name in ("delayed", "bad"):
        store.add(make_record(name, due=5.0))
        store.add(make_record(f"{name} expiring", expires_at=4.0))
        damage(store, name, value=value) if name == "bad" else None
    damage(store, "bad expiring", value=value)
    release_all(store, 6.0)
    assert [kept(store, f"{name} expiring").status for name in ("delayed", "bad")] == [
        TaskStatus.CANCELLED
    ] * 2
    assert claim_ids(store) == ["delayed"]


@WAYS
def test_damaged_rules_hold_up_no_rescue(store: SQLiteStore, value: bytes, tmp_path: Path) -> None:
    """Of a dead process's tasks the damaged one is taken back as the others are."""
    for name in ("bad", "good"):
        store.add(make_record(name))
    claim_and_die(tmp_path, claims=2)
    damage(store, "bad", value=value)
    assert store.rescue(0.0, NOW) == 2
    assert claim_ids(store) == ["good"]


def test_a_damaged_task_can_be_cancelled(store: SQLiteStore) -> None:
    """Cancelling needs no rules."""
    store.add(make_record("bad"))
    damage(store, "bad")
    assert store.cancel("bad", NOW) is not None
    assert kept(store, "bad").status is TaskStatus.CANCELLED


@WAYS
def test_damaged_progress_reads_as_none(store: SQLiteStore, value: bytes) -> None:
    """Looking at one or at all is not kept up by it."""
    claimed(store, make_record("bad"))
    damage(store, "bad", "progress", value)
    assert kept(store, "bad").progress is None
    assert [record.id for record in store.find({RUNNING})] == ["bad"]


@pytest.mark.parametrize("column", ["name", "func"])
def test_bytes_that_are_no_text(store: SQLiteStore, column: str) -> None:
    """A text with a byte that is none is read with a mark in its place, and others of its table as ever; a
    function of such a name is not looked for."""
    for name in ("bad", "good"):
        store.add(make_record(name))
    with by_hand(store) as connection:
        connection.execute(f"UPDATE hypern_tasks SET {column} = CAST(X'613AFF' AS TEXT) WHERE id = 'bad'")
    assert len(store.find({PENDING})) == 2
    assert claim_ids(store)[-1] == "good"
    store.flush()
    assert kept(store, "bad").status is (FAILED if column == "func" else RUNNING)
