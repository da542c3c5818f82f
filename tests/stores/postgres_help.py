"""PostgreSQL stores for tests, each in a schema of its own, and processes that claim tasks and die."""

from __future__ import annotations

import secrets
import subprocess
import sys
from typing import Any

import psycopg

from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore

_DYING = """
import os, signal, sys, time
from hypern.records import Lane
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore

store = PostgresStore(parse(sys.argv[1]), ahead=float(sys.argv[3]))
store.serve(int(sys.argv[4]), None)
store._hands.look_again()
for _ in range(int(sys.argv[2])):
    assert store.claim(Lane.THREAD, 1_700_000_000.0) is not None
if sys.argv[5] == "marked":
    time.sleep(0.01)
    store._ledger.mark()
    store.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def fresh_url(server: str) -> str:
    return f"{server}{'&' if '?' in server else '?'}hypern_schema=test_{secrets.token_hex(6)}"


def drop(url: str) -> None:
    address = parse(url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {address.schema} CASCADE")


def ask(url: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """What the server itself says. `{s}` stands for the schema."""
    address = parse(url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        cursor = connection.execute(statement.replace("{s}", address.schema), parameters)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def open_store(url: str, **options: Any) -> PostgresStore:
    return PostgresStore(parse(url), **{"ahead": 0.0, **options})


def claim_and_die(
    url: str, claims: int = 1, ahead: float = 0.0, workers: int = 1, *, marked: bool = False
) -> None:
    """A process that starts so many tasks and is killed. `ahead`, `workers`: with it others are claimed.
    `marked`: what it had started had run for a while."""
    arguments = [url, str(claims), str(ahead), str(workers), "marked" if marked else "at once"]
    died = subprocess.run([sys.executable, "-c", _DYING, *arguments], capture_output=True, text=True)
    assert died.returncode == -9, died.stderr
