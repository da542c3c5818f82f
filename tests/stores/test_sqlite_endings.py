"""Endings that follow each other are recorded in one statement; each is judged by itself all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.stores.sqlite_help import open_store

from hypern.records import Completed, Ending, Failed, Progress, TaskRecord, TaskStatus
from hypern.stores.conformance.suite import NOW, THREAD, make_record
from hypern.stores.sqlite import transacting
from hypern.stores.sqlite.store import SQLiteStore

together = transacting.record_together


class Told:
    """What the store has said of each ending."""

    def __init__(self) -> None:
        self.recorded: dict[str, bool] = {}

    def on_finished(self, record: TaskRecord, ending: Ending, recorded: bool) -> None:
        self.recorded[record.id] = recorded

    def on_ready(self, lanes: object) -> None: ...
    def on_cancel_requested(self, task_ids: object) -> None: ...
    def on_due(self, moment: float) -> None: ...


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def store(tmp_path: Path, told: Told) -> Iterator[SQLiteStore]:
    with closing(open_store(tmp_path, ahead=0.01)) as store:
        store.attach(told)
        store.serve(4, None)
        yield store


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were recorded in each statement."""
    found: list[int] = []

    def watched(transaction: object, recordings: list[object]) -> bool:
        found.append(len(recordings))
        return together(transaction, recordings)

    monkeypatch.setattr(transacting, "record_together", watched)
    return found


def claimed(store: SQLiteStore, *names: str) -> list[TaskRecord]:
    store.add_many([make_record(f"task:{name}") for name in names])
    records = [store.claim(THREAD, NOW) for _ in names]
    assert None not in records
    return records


def test_in_one_statement(store: SQLiteStore, told: Told, groups: list[int]) -> None:
    """All results are kept, and counted once."""
    for number, record in enumerate(claimed(store, *"abcd")):
        assert store.finish(record, record.fence, Completed(number), NOW + 1) is None
    store.flush()
    assert groups == [4]
    assert told.recorded == dict.fromkeys(("task:a", "task:b", "task:c", "task:d"), True)
    assert [store.get(f"task:{name}").result for name in "abcd"] == [0, 1, 2, 3]
    assert store.count()[TaskStatus.COMPLETED] == 4
    assert store.count()[TaskStatus.RUNNING] == 0
    assert [tally.completed for tally in store.vitals().tallies.values()] == [4]


def test_one_of_them_is_refused(store: SQLiteStore, told: Told, groups: list[int], tmp_path: Path) -> None:
    """Whose claim no longer stands is told so; the others are recorded, once."""
    records = claimed(store, *"abcd")
    with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as other:
        other.execute("UPDATE hypern_tasks SET fence = fence + 1 WHERE id = 'task:b'")
    for record in records:
        store.finish(record, record.fence, Completed("fine"), NOW + 1)
    store.flush()
    assert groups == [4]
    assert told.recorded == {"task:a": True, "task:b": False, "task:c": True, "task:d": True}
    assert store.count()[TaskStatus.COMPLETED] == 3
    assert store.get("task:b").status is TaskStatus.RUNNING
    assert [tally.completed for tally in store.vitals().tallies.values()] == [3]


def test_in_the_order_in_which_they_came(store: SQLiteStore, groups: list[int]) -> None:
    """What a task said of its progress before it ended stands."""
    records = claimed(store, *"abcde")
    for number, record in enumerate(records):
        store.report(record, record.fence, Progress(number / 10))
        ending = Failed("no", "no") if number == 2 else Completed(number)
        store.finish(record, record.fence, ending, NOW + 1)
    store.flush()
    assert [store.get(record.id).progress for record in records] == [
        Progress(number / 10) for number in range(5)
    ]
    assert groups == []
