"""Finish: what the end of an attempt writes. Each of these is refused unless that very claim stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, assert_never

from hypern.records import Again, Cancelled, Completed, Ending, Failed
from hypern.stores.base import ATTEMPTS_KEPT
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.states import CANCELLED, COMPLETED, FAILED, PRUNED, RUNNING, SCHEDULED, STATUS
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction


class Recording:
    """The work of recording how an attempt ended. `result`: a returned value as it is kept, and why it is
    not. Those that `can_be_done_together` and follow each other are done so (`record_together`)."""

    __slots__ = ("_claim", "_ending", "_keeping", "_owner", "_result", "_wall")

    def __init__(
        self,
        claim: Claim,
        owner: str | None,
        ending: Ending,
        result: tuple[bytes | None, str | None],
        wall: float,
        keeping: Keeping,
    ) -> None:
        self._claim = claim
        self._owner = owner
        self._ending = ending
        self._result = result
        self._wall = wall
        self._keeping = keeping

    @property
    def queue(self) -> str:
        return self._claim.queue

    def can_be_done_together(self) -> bool:
        return type(self._ending) is Completed and self._keeping.number is None

    def __call__(self, transaction: Transaction) -> bool:
        """Record it. False: refused."""
        claim, ending, execute = self._claim, self._ending, transaction.execute
        attempt, started_at = claim.record.attempt, claim.record.started_at
        match ending:
            case Completed():
                cursor = execute(sql.COMPLETE, self.completed())
                after = COMPLETED
            case Failed():
                cursor = execute(sql.FAIL, (ending.error, ending.traceback, *self._ended()))
                after = FAILED
            case Cancelled():
                cursor = execute(sql.GIVE_WAY, (ending.reason, *self._ended()))
                after = CANCELLED
            case Again():
                left = attempt if ending.counts else attempt - 1
                values = (ending.error, ending.traceback, left, started_at, ending.due)
                cursor = execute(sql.TRY_AGAIN, (*values, *self._mine()))
                after = SCHEDULED
            case _:
                assert_never(ending)
        if cursor.rowcount == 0:
            return False
        transaction.moved(claim.queue, RUNNING, after)
        self.count(transaction, after)
        if isinstance(ending, Failed) or (isinstance(ending, Again) and ending.counts):
            remember(transaction, claim.seq, attempt, started_at, self._wall, ending.error, ending.traceback)
        if self._keeping.number is not None and after > RUNNING:
            forget_surplus(transaction, self._keeping.number, 1)
        return True

    def completed(self) -> tuple[Any, ...]:
        """The parameters of `COMPLETE`."""
        return (*self._result, *self._ended())

    def count(self, transaction: Transaction, after: int) -> None:
        """The attempt has ended, and its task gone over to this state."""
        record = self._claim.record
        tally = transaction.tally(record.name, self._wall)
        tally.count(STATUS[after])
        if record.started_at:
            tally.measure(record.started_at - record.ready_at, self._wall - record.started_at)

    def _ended(self) -> tuple[Any, ...]:
        record, wall = self._claim.record, self._wall
        gone_at = self._keeping.gone_at(record.spec.rules, wall)
        return (record.attempt, record.started_at, wall, gone_at, *self._mine())

    def _mine(self) -> tuple[int, int, str | None]:
        return (self._claim.seq, self._claim.fence, self._owner)


def record_together(transaction: Transaction, recordings: Sequence[Recording]) -> bool:
    """Record all of these. False: some are refused, and only the others have been recorded."""
    cursor = transaction.connection.executemany(sql.COMPLETE, [each.completed() for each in recordings])
    if cursor.rowcount != len(recordings):
        return False
    for queue, number in Counter(each.queue for each in recordings).items():
        transaction.moved(queue, RUNNING, COMPLETED, number)
    for each in recordings:
        each.count(transaction, COMPLETED)
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
