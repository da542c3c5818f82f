"""A SQLite store for a test, and processes that claim tasks of it and die."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.store import SQLiteStore

_DYING = """
import os, signal, sys
from hypern.records import Lane
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.store import SQLiteStore
from pathlib import Path

store = SQLiteStore(Address(Path(sys.argv[1]), "normal"), ahead=float(sys.argv[3]))
store.serve(int(sys.argv[4]), None)
store._hands.look_again()
for _ in range(int(sys.argv[2])):
    assert store.claim(Lane.THREAD, 1_700_000_000.0) is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


def open_store(directory: Path, **options: object) -> SQLiteStore:
    return SQLiteStore(Address(directory / "tasks.db", "normal"), **{"ahead": 0.0, **options})  # type: ignore[arg-type]


@contextmanager
def by_hand(store: SQLiteStore) -> Iterator[sqlite3.Connection]:
    """A connection that changes what the store would not."""
    with closing(sqlite3.connect(store._database.address.path, isolation_level=None)) as connection:
        yield connection


def claim_and_die(directory: Path, claims: int = 1, ahead: float = 0.0, workers: int = 1) -> None:
    """A process that starts so many tasks and is killed. `ahead`, `workers`: with it others are claimed."""
    arguments = [str(directory / "tasks.db"), str(claims), str(ahead), str(workers)]
    died = subprocess.run([sys.executable, "-c", _DYING, *arguments], capture_output=True, text=True)
    assert died.returncode == -9, died.stderr
