"""The PostgreSQL store keeps the promises of every store."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from tests.stores.postgres_help import drop, fresh_url

from hypern.stores.conformance import StoreConformance
from hypern.stores.conformance.suite import PENDING, make_record
from hypern.stores.postgres import adding, claiming
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore
from hypern.stores.postgres.times import SameTime


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([], []),
        ([1] * 10_000, [10_000]),
        ([1] * 10_001, [10_000, 1]),
        ([3_000_000, 1_000_000, 1, 5_000_000, 5_000_000, 0], [2, 1, 1, 1, 1]),
    ],
)
def test_no_copy_is_too_long_for_a_moment(sizes: list[int], found: list[int]) -> None:
    """Rows are sent off in pieces of some number and some size, all of them and in their order."""
    blobs = {size: bytes(size) for size in sizes}
    rows = [(*(("id",) * 8), blobs[size], number) for number, size in enumerate(sizes)]
    assert [len(piece) for piece in adding.pieces(rows)] == found
    assert [row for piece in adding.pieces(rows) for row in piece] == rows


def test_many_tasks_in_several_pieces(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are there, or none where one of the last is refused."""
    monkeypatch.setattr(adding, "_BYTES_IN_ONE_COPY", 1000)
    store = PostgresStore(parse(postgres_url))
    many = [make_record(f"n{number}", args=("x" * 400,)) for number in range(40)]
    assert store.add_many(many) == [None] * 40
    assert store.count()[PENDING] == 40
    again = [make_record(f"m{number}", args=("x" * 400,)) for number in range(40)]
    again[-1].id = "n0"
    assert store.add_many(again) == [None] * 39 + ["n0"]
    assert store.count()[PENDING] == 79
    store.close()


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
