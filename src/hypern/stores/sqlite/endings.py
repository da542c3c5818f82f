"""Finish: what the end of an attempt writes. Each of these is refused unless that very claim stands."""

from __future__ import annotations

from typing import assert_never

from hypern.records import Again, Cancelled, Completed, Ending, Failed
from hypern.stores.base import ATTEMPTS_KEPT
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.states import CANCELLED, COMPLETED, FAILED, PRUNED, RUNNING, SCHEDULED, STATUS
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction


def record_ending(
    transaction: Transaction,
    claim: Claim,
    owner: str,
    ending: Ending,
    result: tuple[bytes | None, str | None],
    wall: float,
    keeping: Keeping,
) -> bool:
    """Write how an attempt ended. `result`: a returned value as it is kept, and why it is not.

    False: refused.
    """
    record = claim.record
    attempt, started_at = record.attempt, record.started_at
    gone_at = keeping.gone_at(record.spec.rules, wall)
    ran = (attempt, started_at, wall)
    mine = (claim.seq, claim.fence, owner)
    execute = transaction.execute
    match ending:
        case Completed():
            cursor = execute(sql.COMPLETE, (*result, *ran, gone_at, *mine))
            after = COMPLETED
        case Failed():
            cursor = execute(sql.FAIL, (ending.error, ending.traceback, *ran, gone_at, *mine))
            after = FAILED
        case Cancelled():
            cursor = execute(sql.GIVE_WAY, (ending.reason, *ran, gone_at, *mine))
            after = CANCELLED
        case Again():
            left = attempt if ending.counts else attempt - 1
            values = (ending.error, ending.traceback, left, started_at, ending.due)
            cursor = execute(sql.TRY_AGAIN, (*values, *mine))
            after = SCHEDULED
        case _:
            assert_never(ending)
    if cursor.rowcount == 0:
        return False
    transaction.moved(claim.queue, RUNNING, after)
    tally = transaction.tally(record.name, wall)
    tally.count(STATUS[after])
    if started_at:
        tally.measure(started_at - record.ready_at, wall - started_at)
    if isinstance(ending, Failed) or (isinstance(ending, Again) and ending.counts):
        remember(transaction, claim.seq, attempt, started_at, wall, ending.error, ending.traceback)
    if keeping.number is not None and after > RUNNING:
        forget_surplus(transaction, keeping.number, 1)
    return True


def remember(
    transaction: Transaction,
    seq: int,
    attempt: int,
    started_at: float,
    wall: float,
    error: str,
    traceback: str | None,
) -> None:
    """Keep an attempt that failed, and of all of them the last `ATTEMPTS_KEPT`."""
    transaction.execute(sql.REMEMBER, (seq, attempt, started_at, wall, error, traceback))
    if attempt > ATTEMPTS_KEPT:
        transaction.execute(sql.FORGET_OLD_ATTEMPTS, (seq, attempt - ATTEMPTS_KEPT))


def forget_surplus(transaction: Transaction, keep: int, at_most: int) -> int:
    """Forget the oldest ended tasks beyond `keep`, at most so many. How many were forgotten."""
    (kept,) = transaction.execute(sql.COUNT_ENDED).fetchone()
    kept += sum(number for (_, state), number in transaction.counts.items() if RUNNING < state < PRUNED)
    surplus = min(kept - keep, at_most)
    if surplus <= 0:
        return 0
    return forget(transaction, transaction.execute(sql.OLDEST_ENDED, (surplus,)).fetchall())


def forget(transaction: Transaction, rows: list[tuple[int, str, int]]) -> int:
    """Delete ended tasks, given by number, queue and state."""
    for seq, queue, state in rows:
        transaction.execute(sql.FORGET, (seq,))
        transaction.execute(sql.FORGET_ATTEMPTS, (seq,))
        transaction.execute(sql.FORGET_LOGS, (seq,))
        transaction.pruned(queue, state)
    return len(rows)
