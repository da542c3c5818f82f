"""The servers that other tests rely on: empty databases, and a server that comes back with what it had."""

from __future__ import annotations

import signal

import psycopg
import pytest
from tests.postgres.fixtures import PrivatePostgres
from tests.postgres.server import fresh_database


def test_a_database_is_empty_and_goes_away(postgres_server: str) -> None:
    """Nothing is in a fresh database, and nothing is left of it."""
    with fresh_database(postgres_server) as url, psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert row == (0,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_a_private_server_comes_back(private_postgres: PrivatePostgres, how: signal.Signals) -> None:
    """However it ended, what was committed is there after the next start, and nobody answers in between."""
    with psycopg.connect(private_postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    private_postgres.server.stop(how)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(private_postgres.url, connect_timeout=2)
    private_postgres.server.start()
    with psycopg.connect(private_postgres.url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
