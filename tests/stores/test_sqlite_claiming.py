"""Several tasks are claimed in one statement; they start in their order all the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.stores.sqlite_help import open_store

from hypern.records import TaskStatus
from hypern.stores.conformance.suite import NOW, THREAD, make_record


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
