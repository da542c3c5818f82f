"""Whether a SQLite file is sound and set up to be relied on. Nothing is changed, and nothing is made."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hypern.stores.durable.states import STATUS
from hypern.stores.findings import Finding, bad, care, good, in_bytes, note
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.database import PATIENCE, filesystem, is_network

# With two processes that write at once, older ones can lose what was written when the log begins anew; we
# let nobody commit meanwhile.
_LOG_IS_SAFE = (3, 51, 3)
_LONG_LOG = 64 * 1024 * 1024
_LITTLE_ROOM = 256 * 1024 * 1024

_NUMBERS = """
SELECT 0, count(*) FROM hypern_tasks WHERE state = 0 UNION ALL
SELECT 1, count(*) FROM hypern_tasks WHERE state = 1 UNION ALL
SELECT 2, count(*) FROM hypern_tasks WHERE state = 2
"""


def check(address: Address) -> Iterator[Finding]:
    """One finding after the other, until one makes the next ones senseless."""
    path = address.path
    yield from _place(path)
    if not path.is_file():
        yield bad("file", f"there is no file {path}", "name another, or let `hypern store migrate` make it")
        return
    yield _log(path)
    try:
        with closing(_open(path)) as connection:
            yield from _inside(connection, address)
    except sqlite3.Error as error:
        yield bad(
            "file", f"it cannot be read: {error}", "keep a copy; `sqlite3 FILE .recover` may save the rest"
        )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _place(path: Path) -> Iterator[Finding]:
    kind = filesystem(path.parent)
    if kind is not None and is_network(kind):
        yield bad("file system", kind, "SQLite's locks cannot be relied on there: use a local disk")
    else:
        yield good("file system", kind or "not known")
    if path.parent.is_dir():
        free = shutil.disk_usage(path.parent).free
        if free < _LITTLE_ROOM:
            yield care(
                "free disk space", in_bytes(free), "on a full disk nothing can be submitted: make room"
            )
        else:
            yield good("free disk space", in_bytes(free))
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        yield bad("permission", "this user may not write to it", "change the owner or the mode of the file")


def _log(path: Path) -> Finding:
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    found = f"{in_bytes(path.stat().st_size)}, write-ahead log {in_bytes(size)}"
    if size > _LONG_LOG:
        return care("size", found, "some process reads an old state and keeps the log from beginning anew")
    return good("size", found)


def _inside(connection: sqlite3.Connection, address: Address) -> Iterator[Finding]:
    library = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < _LOG_IS_SAFE:
        yield note("SQLite", f"{library}: only Hypern may write to the file, other programs only read it")
    else:
        yield good("SQLite", library)
    verdict = "; ".join(text for (text,) in connection.execute("PRAGMA integrity_check"))
    if verdict != "ok":
        yield bad("integrity", verdict, "keep a copy; `sqlite3 FILE .recover` may save the rest")
        return
    yield good("integrity", "ok")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        yield good("journal", mode)
    else:
        yield care("journal", mode, "the next program that opens the store sets it to wal")
    if address.synchronous == "normal":
        yield care("synchronous", "normal", "a power cut may take the last tasks away: leave the option out")
    else:
        yield good("synchronous", address.synchronous)
    if connection.execute(sql.HAS_SCHEMA).fetchone() is None:
        yield bad("tables", "there are none of Hypern's", "let `hypern store migrate` make them")
        return
    (version,) = connection.execute(sql.GET_META, ("version",)).fetchone() or (None,)
    if isinstance(version, int) and version < sql.VERSION:
        yield care("tables", f"version {version}", f"`hypern store migrate` makes them version {sql.VERSION}")
        return
    if version != sql.VERSION:
        yield bad(
            "tables", f"version {version}", f"this Hypern knows version {sql.VERSION}: install the other"
        )
        return
    yield good("tables", f"version {version}")
    numbers = connection.execute(_NUMBERS).fetchall()
    waiting, delayed, running = (number for _, number in sorted(numbers))
    yield good("tasks", f"{waiting:,} waiting, {delayed:,} delayed, {running:,} {STATUS[2].value}")
