"""Rescue: what becomes of the running tasks of a process that has died."""

from __future__ import annotations

import logging
from collections.abc import Collection

from hypern.records import Lane, Rules
from hypern.stores.base import MOST_DELIVERIES, WORKER_LOST
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.claims import Row
from hypern.stores.sqlite.endings import Keeping, remember
from hypern.stores.sqlite.pieces import Transaction
from hypern.stores.sqlite.rows import LANES, read_rules

logger = logging.getLogger("hypern.tasks")


def rescue_from(
    transaction: Transaction, owner: str, started: Collection[int], wall: float, keeping: Keeping
) -> tuple[int, set[Lane]]:
    """Let what `owner` had claimed wait again. `started`: what it had begun; that counts as a delivery, and
    after `MOST_DELIVERIES` of them, or where the task says so, it is FAILED. How many, and their lanes.

    The caller knows that the owner is dead and keeps others from finding out meanwhile.
    """
    lanes: set[Lane] = set()
    rows = transaction.execute(sql.OWNED, (owner,)).fetchall()
    for row in rows:
        if _rescue_one(transaction, row, owner, row[0] in started, wall, keeping):
            lanes.add(LANES[row[4]])
    return len(rows), lanes


def _rescue_one(
    transaction: Transaction, row: Row, owner: str, was_started: bool, wall: float, keeping: Keeping
) -> bool:
    """Whether the task waits again."""
    seq, rules, attempt, fence, lost, queue, started_at = (
        row[0],
        row[5],
        row[12],
        row[13],
        row[14],
        row[17],
        row[18],
    )
    mine = (seq, fence, owner)
    if not was_started:
        transaction.execute(sql.RESCUE, (attempt - 1, lost, None, *mine))
        transaction.moved(queue, sql.RUNNING, sql.READY)
        return True
    known: Rules = read_rules(rules)
    gone_at = wall + (keeping.seconds if known.result_ttl is None else known.result_ttl)
    if row[16]:
        reason = f"asked to stop; {WORKER_LOST}"
        transaction.execute(sql.LOSE_CANCELLED, (reason, wall, gone_at, *mine))
        transaction.moved(queue, sql.RUNNING, sql.CANCELLED)
        return False
    # Less than nothing where its process had said that it would leave it behind.
    if lost >= 0:
        remember(transaction, seq, attempt, started_at, wall, WORKER_LOST, None)
    lost += 1
    if lost >= MOST_DELIVERIES or (known.on_crash == "fail" and lost > 0):
        error = f"{WORKER_LOST}: the process that ran it died"
        if lost > 1:
            error += f", {lost} times"
        transaction.execute(sql.LOSE, (lost, error, wall, gone_at, *mine))
        transaction.moved(queue, sql.RUNNING, sql.FAILED)
        return False
    transaction.execute(sql.RESCUE, (attempt, lost, WORKER_LOST, *mine))
    transaction.moved(queue, sql.RUNNING, sql.READY)
    return True
