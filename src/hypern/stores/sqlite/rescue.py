"""Rescue: what becomes of the running tasks of a process that has died."""

from __future__ import annotations

from collections.abc import Collection

from hypern.stores.base import WORKER_LOST
from hypern.stores.durable.claims import Row
from hypern.stores.durable.deaths import after_death
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import read_rules
from hypern.stores.durable.states import FAILED, READY, RUNNING, STATUS
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.endings import remember
from hypern.stores.sqlite.transaction import Transaction


def rescue_from(
    transaction: Transaction, owner: str, started: Collection[int], wall: float, keeping: Keeping
) -> int:
    """Let what `owner` had claimed wait again. `started`: what it had begun; that counts as a delivery, and
    after `MOST_DELIVERIES` of them, or where the task says so, it is FAILED. How many.

    The caller knows that the owner is dead and keeps others from finding out meanwhile.
    """
    rows = transaction.execute(sql.OWNED, (owner,)).fetchall()
    for row in rows:
        _rescue_one(transaction, row, owner, row[0] in started, wall, keeping)
    return len(rows)


def _rescue_one(
    transaction: Transaction, row: Row, owner: str, was_started: bool, wall: float, keeping: Keeping
) -> None:
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
    known = read_rules(rules)
    after = after_death(known, attempt, lost, was_started=was_started, cancel_requested=bool(row[16]))
    if after.counts:
        remember(transaction, seq, attempt, started_at, wall, WORKER_LOST, None)
    gone_at = keeping.gone_at(known, wall)
    if after.state == READY:
        transaction.execute(sql.RESCUE, (after.attempt, after.lost, after.text, *mine))
    elif after.state == FAILED:
        transaction.execute(sql.LOSE, (after.lost, after.text, wall, gone_at, *mine))
    else:
        transaction.execute(sql.LOSE_CANCELLED, (after.text, wall, gone_at, *mine))
    if after.state != READY:
        transaction.tally(row[2], wall).count(STATUS[after.state])
    transaction.moved(queue, RUNNING, after.state)
