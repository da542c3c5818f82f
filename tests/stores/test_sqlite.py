"""The SQLite store keeps the promises of every store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hypern.stores.conformance import StoreConformance
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.store import SQLiteStore


class TestSQLiteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path
        self.made: list[SQLiteStore] = []
        yield
        for store in self.made:
            store.close()

    def make_store(
        self, *, capacity: int = 1000, keep: int = 1000, keep_seconds: float = 60.0
    ) -> SQLiteStore:
        address = Address(self.path / f"tasks-{len(self.made)}.db", "normal")
        store = SQLiteStore(address, capacity, keep, keep_seconds, ahead=0.0)
        self.made.append(store)
        return store
