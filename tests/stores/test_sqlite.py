"""The SQLite store keeps the promises of every store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.sqlite_help import open_store

from hypern.stores.conformance import StoreConformance
from hypern.stores.conformance.suite import claim_ids, make_record
from hypern.stores.sqlite import statements
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


def test_many_with_a_known_one_among_them(tmp_path: Path) -> None:
    """add_many: without a limit, too, a new queue is known where one of the tasks is known already."""
    store = open_store(tmp_path)
    try:
        store.add(make_record("known"))
        many = [make_record("new", queue="other"), make_record("known", queue="other")]
        assert store.add_many(many) == [None, "known"]
        assert sorted(claim_ids(store)) == ["known", "new"]
    finally:
        store.close()


def test_no_placeholder_has_a_number() -> None:
    """Python warns of `?1` with a sequence from 3.12.0 on, and some later versions refuse it."""
    texts = {name: text for name, text in vars(statements).items() if isinstance(text, str)}
    assert "CLAIM" in texts
    assert [name for name, text in texts.items() if re.search(r"\?\d", text)] == []
