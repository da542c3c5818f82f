"""Fixtures for whoever tests against PostgreSQL: `postgres_url`, and `private_postgres` to be ill-treated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.postgres.server import NoServer, PrivateServer, databases, fresh_database


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server on which databases may be made; without one, the test is skipped."""
    try:
        with databases() as url:
            yield url
    except NoServer as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database, for this test alone."""
    with fresh_database(postgres_server) as url:
        yield url


@dataclass(frozen=True, slots=True)
class PrivatePostgres:
    """A server that this test may kill, and an empty database on it."""

    server: PrivateServer
    url: str


@pytest.fixture(scope="session")
def private_server() -> Iterator[PrivateServer]:
    """The one for `private_postgres`; making it takes a second or two."""
    try:
        server = PrivateServer()
    except NoServer as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def private_postgres(private_server: PrivateServer) -> Iterator[PrivatePostgres]:
    """A server that may be stopped, killed and started again by the test, with an empty database."""
    private_server.start()
    with fresh_database(private_server.url) as url:
        yield PrivatePostgres(private_server, url)
        private_server.start()
