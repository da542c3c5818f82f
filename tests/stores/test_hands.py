"""What a process has in hand is never out of sight, also while it goes from one place to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stores.sqlite_help import open_store

from hypern.records import Completed
from hypern.stores.conformance.suite import NOW, THREAD, make_record
from hypern.stores.durable import hands as module


class _Watched(dict[str, Any]):
    """Tells whenever something is taken out of it or put into it."""

    def __init__(self, tell: Any) -> None:
        super().__init__()
        self._tell = tell

    def pop(self, *args: Any) -> Any:
        found = super().pop(*args)
        self._tell()
        return found

    def __setitem__(self, key: str, value: Any) -> None:
        self._tell()
        super().__setitem__(key, value)


def test_a_task_on_its_way_keeps_its_process_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the claim to the record of its end, whatever moment somebody looks, the store is not idle."""
    store = open_store(tmp_path)
    hands, seen = store._hands, []

    def look() -> None:
        seen.append((hands.are_busy(), store.is_busy(), store.idle(0.0)))

    hands._claims, hands._ending = _Watched(look), _Watched(look)
    to_claimed = module.to_claimed

    def slowly(*args: Any) -> Any:
        look()
        return to_claimed(*args)

    monkeypatch.setattr(module, "to_claimed", slowly)
    store.add(make_record())
    record = store.claim(THREAD, NOW)
    assert record is not None
    store.finish(record, record.fence, Completed(1), NOW)
    assert len(seen) >= 4
    assert set(seen) == {(True, True, False)}
    store.flush()
    assert store.idle(0.0)
    assert not store.is_busy()
    store.close()
