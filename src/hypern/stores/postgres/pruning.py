"""Prune: forgetting ended tasks, a few at a time, by one process at a time."""

from __future__ import annotations

from hypern.stores.durable.keeping import Keeping
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link

_AT_ONCE = 500
# The lock's second number; 0 is that of the process that leads.
_PRUNING = -1
# So many rows of counts are folded into one a queue and state.
_MANY = 500
_EVER = 1e18


def prune(link: Link, database: Database, keeping: Keeping, now: float) -> int:
    """Forget what is over at `now` (on the server's clock). How many tasks."""
    sql = database.sql
    forgotten = 0
    row = link.row(sql.IS_THERE_TO_FORGET, (now, now))
    if row is not None and row[0]:
        link.rows(sql.FREE_KEYS, (now,))
        while (number := _forget(link, database, now, _AT_ONCE)) > 0:
            forgotten += number
    if keeping.number is not None:
        while (surplus := _ended(link, database) - keeping.number) > 0:
            number = _forget(link, database, _EVER, min(surplus, _AT_ONCE))
            if number == 0:
                break
            forgotten += number
    return forgotten


def fold(link: Link, database: Database) -> None:
    """Make many rows of counts into few."""
    row = link.row(database.sql.HAS_MANY_DELTAS, (_MANY,))
    if row is not None and row[0]:
        link.rows(database.sql.FOLD)


def _ended(link: Link, database: Database) -> int:
    row = link.row(database.sql.COUNT_ENDED)
    return 0 if row is None else int(row[0])


def _forget(link: Link, database: Database, now: float, at_most: int) -> int:
    with link.together():
        if database.has_locks:
            locked = link.row(database.sql.TRY_LOCK_HERE, (database.locks, _PRUNING))
            if locked != (True,):
                return 0
        row = link.row(database.sql.FORGET, (now, at_most))
    return 0 if row is None else int(row[0])
