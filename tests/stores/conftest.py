"""What the tests of stores share: the shipped suite shows what its assertions compared, and a store on
PostgreSQL for those files that have no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.stores.postgres_help import drop, fresh_url, open_store

from hypern.stores.postgres.store import PostgresStore

pytest.register_assert_rewrite("hypern.stores.conformance")


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    """The URL of a schema that does not exist yet, for this test alone."""
    url = fresh_url(postgres_server)
    yield url
    drop(url)


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    store = open_store(url)
    yield store
    store.close()
