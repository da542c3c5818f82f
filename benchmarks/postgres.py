"""A PostgreSQL server for the cases: private, started once a run; an empty database for each measurement."""

import atexit
import contextlib
import functools
import os
from collections.abc import Iterator

import psycopg
from tests.postgres.server import NoServer, PrivateServer, fresh_database

from benchmarks.processes import ContenderError

VARIABLE = "BENCH_POSTGRES_SERVER"
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}


@functools.cache
def server() -> str:
    """The URL of the server: the one that `BENCH_POSTGRES_SERVER` names, or a private one, which ends with
    this process. Raises ContenderError."""
    if named := os.environ.get(VARIABLE):
        return named
    try:
        private = PrivateServer(**SETTINGS)
    except NoServer as missing:
        raise ContenderError(str(missing)) from missing
    atexit.register(private.close)
    # Or the first measurement would pay for the files that the new server consists of.
    os.sync()
    return private.url


@contextlib.contextmanager
def empty_database() -> Iterator[str]:
    """The URL of an empty database for the block. What earlier ones left to write is written first."""
    with fresh_database(server()) as url:
        with psycopg.connect(server(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        yield url


def version() -> str:
    with psycopg.connect(server()) as connection:
        return f"PostgreSQL {connection.info.server_version // 10000}"
