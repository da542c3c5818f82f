"""What SQLite says when something is wrong, in words that say what to do."""

from __future__ import annotations

import sqlite3

from hypern.errors import QueueUnavailable, StoreUnusable
from hypern.stores.sqlite.address import Address

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program has kept it locked; see what has it open",
    sqlite3.SQLITE_LOCKED: "another program has kept it locked; see what has it open",
    sqlite3.SQLITE_FULL: "the disk is full; make room, and it goes on by itself",
    sqlite3.SQLITE_READONLY: "it, its directory or its disk is read-only; make it writable",
    sqlite3.SQLITE_IOERR: "the disk reports an error; look at the system's log",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look whether its directory is there and writable",
    sqlite3.SQLITE_CORRUPT: "it is damaged; stop the program, keep a copy of it, and recover it with "
    "`sqlite3 FILE .recover`, or put it aside",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database; name another file, or put this one aside",
    sqlite3.SQLITE_PERM: "this user may not write to it; change its owner or its mode",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; -1 where there is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_environmental(error: Exception) -> bool:
    """Whether it is about the file and not about what was to be written."""
    return isinstance(error, sqlite3.Error) and primary_code(error) in _ADVICE


def describe(error: sqlite3.Error) -> str:
    """What happened and what to do about it."""
    advice = _ADVICE.get(primary_code(error))
    return f"{error}: {advice}" if advice else str(error)


def unavailable(address: Address, error: sqlite3.Error) -> QueueUnavailable:
    return QueueUnavailable(f"the task store {address.path} cannot be used now: {describe(error)}.")


def unusable(address: Address, error: sqlite3.Error) -> StoreUnusable:
    return StoreUnusable(f"task_store: {address.path} cannot be used: {describe(error)}.")
