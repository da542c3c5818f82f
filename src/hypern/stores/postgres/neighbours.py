"""The other processes that run tasks of the database: who lives, and what becomes of dead ones' tasks."""

from __future__ import annotations

import logging

import msgspec

from hypern.stores.base import WORKER_LOST, WorkerState
from hypern.stores.durable.crashing import crash_point
from hypern.stores.durable.deaths import AfterDeath, after_death
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import DAMAGE, read_rules
from hypern.stores.postgres.arrays import booleans, numbers, texts
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link

logger = logging.getLogger("hypern.tasks")

# The lock of a living process is free for a moment when its session was lost; so long (seconds) it has to
# connect again.
GRACE = 2.0
_STARTED = 2


def living(link: Link, database: Database) -> list[WorkerState]:
    """The processes that run tasks now, as each says of itself; not those that say it in damaged words."""
    if database.has_locks:
        rows = link.rows(database.sql.LIVING_BY_LOCK, (database.locks % 2**32,))
    else:
        rows = link.rows(database.sql.LIVING)
    found = [_read_about(about) for (about,) in rows]
    return [about for about in found if about is not None]


def note_free_locks(link: Link, database: Database) -> None:
    """Write down of whose sessions the locks are free, and since when."""
    if database.has_locks:
        link.rows(database.sql.NOTE_FREE, (database.locks % 2**32,))


def rescue(
    link: Link, database: Database, mine: str | None, keeping: Keeping, now: float, *, orphans: bool = False
) -> int:
    """Take back what dead processes had claimed. How many tasks.

    `mine`: the id of this process, which lives. `orphans`: look also for tasks whose process is not known at
    all, as after a backup was restored. `now`: on the server's clock.
    """
    sql = database.sql
    owners = [owner for (owner,) in link.rows(sql.DEAD, (GRACE,)) if owner != mine]
    lost = [owner for (owner,) in link.rows(sql.ORPHANED)] if orphans else []
    rescued = 0
    for owner in [*owners, *lost]:
        with link.together():
            # Once more, now that nobody else can decide about it: it may have come back.
            if owner in lost:
                is_dead = link.row(sql.IS_GONE, (owner,)) is None
            else:
                is_dead = link.row(sql.IS_DEAD, (owner, GRACE)) is not None
            number = _rescue_from(link, database, owner, keeping, now) if is_dead else 0
            if is_dead:
                link.rows(sql.PRUNE_WORKER, (owner,))
            if number:
                link.rows(sql.TELL)
        crash_point("rescued")
        if number:
            logger.warning("a process that ran tasks has died; %d of its tasks were taken back", number)
        rescued += number
    return rescued


def _rescue_from(link: Link, database: Database, owner: str, keeping: Keeping, now: float) -> int:
    rows = link.rows(database.sql.OWNED, (owner,))
    if not rows:
        return 0
    decided = [_decide(*row[2:]) for row in rows]
    gone_at = [keeping.gone_at(read_rules(rules), now) for _, _, rules, *_ in rows]
    ended = link.rows(
        database.sql.RESCUE,
        (
            numbers([row[0] for row in rows]),
            numbers([row[1] for row in rows]),
            numbers([after.state for after in decided]),
            numbers([after.attempt for after in decided]),
            numbers([after.lost for after in decided]),
            texts([after.text for after in decided]),
            booleans([after.counts for after in decided]),
            numbers(gone_at),
            now,
            owner,
            now,
            WORKER_LOST,
            now,
        ),
    )
    return len(ended)


def _read_about(data: bytes) -> WorkerState | None:
    try:
        return msgspec.json.decode(data, type=WorkerState)
    except DAMAGE:
        return None


def _decide(rules: bytes, attempt: int, lost: int, mark: int, cancel_requested: bool) -> AfterDeath:
    return after_death(
        read_rules(rules), attempt, lost, was_started=mark == _STARTED, cancel_requested=cancel_requested
    )
