"""Several tasks are claimed in one statement; they start in their order all the same."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.stores.sqlite_help import open_store

from hypern.records import TaskStatus
from hypern.stores.conformance.suite import NOW, THREAD, make_record
from hypern.stores.durable.claims import Reserve
from hypern.stores.sqlite import claiming


def test_a_batch_starts_in_order_of_priority(tmp_path: Path) -> None:
    """Of tasks that are claimed together the most urgent one starts first, though it came last."""
    with closing(open_store(tmp_path, ahead=0.01)) as store:
        store.serve(4, None)
        for priority in (1, 0, 3, 2):
            store.add(make_record(f"task:{priority}", priority=priority))
        started = []
        for _ in range(4):
            record = store.claim(THREAD, NOW)
            assert record is not None
            started.append(record.id)
            assert len(store.find({TaskStatus.RUNNING})) == 4
        assert started == ["task:3", "task:2", "task:1", "task:0"]


def test_queues_in_which_nothing_waits_cost_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many queues there have been, a claim asks only those that have something."""
    asked: list[str] = []
    open_queues = claiming._open_queues

    def watched(*what: Any) -> Any:
        found = open_queues(*what)
        asked.extend(name for name, _ in found)
        return found

    with closing(open_store(tmp_path, ahead=0.01)) as store:
        store.serve(4, None)
        for number in range(50):
            store.add(make_record(f"task:{number}", queue=f"customer-{number}"))
            assert store.cancel(f"task:{number}", NOW)
        for name in ("a", "b"):
            store.add(make_record(f"task:{name}", queue=name))
        monkeypatch.setattr(claiming, "_open_queues", watched)
        assert {record.id for _ in range(2) if (record := store.claim(THREAD, NOW))} == {"task:a", "task:b"}
    assert set(asked) == {"a", "b"}


def test_what_is_given_back_is_claimed_in_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While those that have waited too long go back, nobody claims what comes after them."""
    with closing(open_store(tmp_path, ahead=0.01)) as store:
        store.serve(4, None)
        store.add_many([make_record(f"task:{number}") for number in range(4)])
        assert [store.claim(THREAD, NOW).id for _ in range(2)] == ["task:0", "task:1"]
        store.add(make_record("task:last"))
        give_back, claimed = store._hands._ledger.give_back, []
        claiming_thread = threading.Thread(target=lambda: claimed.append(store.claim(THREAD, NOW).id))

        def slowly(rows: Any) -> None:
            claiming_thread.start()
            claiming_thread.join(0.2)
            give_back(rows)

        monkeypatch.setattr(store._hands._ledger, "give_back", slowly)
        monkeypatch.setattr(Reserve, "surplus", lambda reserve: len(reserve.rows))
        store._hands.let_go_of_stale()
        claiming_thread.join()
    assert claimed == ["task:2"]
