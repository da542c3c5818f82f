"""The pulse of the tasks in its table: counted with the endings, a row for each beat and task."""

from __future__ import annotations

import sqlite3

import msgspec

from hypern.stores.durable.rows import read_tally
from hypern.stores.pulse import BEFORE, COARSE, COARSE_KEPT, FINE, FINE_KEPT, Beat, Tally
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction

_encode = msgspec.json.Encoder().encode


def write(transaction: Transaction) -> None:
    """Add what the pieces of a transaction have counted."""
    for (at, name), tally in transaction.tallies.items():
        _add(transaction, FINE, at, name, tally)


def since(connection: sqlite3.Connection, moment: float, name: str | None) -> list[Beat]:
    return [
        Beat(at, seconds, of, read_tally(tally))
        for at, seconds, of, tally in connection.execute(sql.PULSE, (moment, name, name))
    ]


def has_old(connection: sqlite3.Connection, wall: float) -> bool:
    """Whether there is anything to put together."""
    return connection.execute(sql.OLD_FINE, (FINE, wall - FINE_KEPT, 1)).fetchone() is not None


def fold(transaction: Transaction, wall: float, at_once: int) -> int:
    """Put some of the older beats together, and forget the oldest. How many were put together."""
    old = transaction.execute(sql.OLD_FINE, (FINE, wall - FINE_KEPT, at_once)).fetchall()
    for at, name, tally in old:
        _add(transaction, COARSE, at - at % COARSE, name, read_tally(tally))
        _add(transaction, BEFORE, 0, name, read_tally(tally))
        transaction.execute(sql.FORGET_TALLY, (FINE, at, name))
    transaction.execute(sql.FORGET_OLD_TALLIES, (COARSE, wall - COARSE_KEPT))
    return len(old)


def _add(transaction: Transaction, seconds: int, at: int, name: str, tally: Tally) -> None:
    kept = transaction.execute(sql.TALLY, (seconds, at, name)).fetchone()
    if kept is not None:
        tally.add(read_tally(kept[0]))
    transaction.execute(sql.SET_TALLY, (seconds, at, name, _encode(tally)))
