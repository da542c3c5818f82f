"""Release: what happens when due times and expiry times have come, and to tasks that wait no more."""

from __future__ import annotations

from hypern.records import TaskStatus
from hypern.stores.base import EXPIRED
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import rank, read_rules
from hypern.stores.durable.states import CANCELLED, READY, SCHEDULED
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction

_AT_ONCE = 500


def release(transaction: Transaction, steady: float, wall: float, keeping: Keeping) -> set[int]:
    """Let delayed tasks wait whose time has come, cancel those that have expired. The lanes that got some."""
    expired = transaction.execute(sql.EXPIRED, (steady, _AT_ONCE)).fetchall()
    for seq, queue, state, rules, name in expired:
        cancel_waiting(transaction, seq, queue, state, rules, name, wall, EXPIRED, keeping)
    lanes = set()
    for seq, lane, queue, rules, due in transaction.execute(sql.DUE, (steady, _AT_ONCE)).fetchall():
        place = rank(due, read_rules(rules).priority)
        if transaction.execute(sql.RELEASE, (place, wall, seq)).rowcount:
            transaction.moved(queue, SCHEDULED, READY)
            lanes.add(lane)
    return lanes


def cancel_waiting(
    transaction: Transaction,
    seq: int,
    queue: str,
    state: int,
    rules: bytes,
    name: str,
    wall: float,
    reason: str | None,
    keeping: Keeping,
) -> None:
    gone_at = keeping.gone_at(read_rules(rules), wall)
    if transaction.execute(sql.CANCEL_WAITING, (reason, wall, gone_at, seq)).rowcount:
        transaction.moved(queue, state, CANCELLED)
        transaction.tally(name, wall).count(TaskStatus.CANCELLED)
