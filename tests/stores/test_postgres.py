"""The PostgreSQL store keeps the promises of every store."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from tests.stores.postgres_help import drop, fresh_url

from hypern.stores.conformance import StoreConformance
from hypern.stores.postgres import claiming
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore
from hypern.stores.postgres.times import SameTime


class TestPostgresStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def _schemas(self, postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        # However slow the machine is: what is not found among the next ones is looked for everywhere.
        monkeypatch.setattr(claiming, "_BEARABLE", math.inf)
        self.server = postgres_server
        self.made: list[tuple[str, PostgresStore]] = []
        yield
        for url, store in self.made:
            store.close()
            drop(url)

    def make_store(
        self, *, capacity: int = 1000, keep: int = 1000, keep_seconds: float = 60.0
    ) -> PostgresStore:
        url = fresh_url(self.server)
        store = PostgresStore(parse(url), capacity, keep, keep_seconds, ahead=0.0, times=SameTime())
        self.made.append((url, store))
        return store
