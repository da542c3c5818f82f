"""What people do to single tasks: repeat one, let one wait no longer, forget some, keep what one says."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hypern.records import TaskRecord
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.rows import as_it_was, rank, read_rules
from hypern.stores.durable.states import READY, SCHEDULED
from hypern.stores.overview import LINES_KEPT, LogLine
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.adding import add
from hypern.stores.sqlite.endings import forget
from hypern.stores.sqlite.transaction import Transaction


def again(
    transaction: Transaction,
    task_id: str,
    new_id: str,
    steady: float,
    wall: float,
    offset: float,
    capacity: int | None,
) -> TaskRecord | str | None:
    """Add a task like one that has ended. It, without arguments; or the id of the one that stands for it;
    None: that one is unknown or has not ended. Raises QueueFull."""
    former = transaction.execute(sql.PAYLOAD, (task_id,)).fetchone()
    if former is None:
        return None
    record, row = as_it_was(former, new_id, steady, wall, offset)
    standing = add(transaction, record, row, capacity, new_queue=True)
    if standing is not None:
        return standing
    transaction.execute(sql.SET_ORIGIN, (task_id, new_id))
    return record


def hasten(transaction: Transaction, task_id: str, wall: float, offset: float) -> bool:
    """Let a delayed task wait now. False: it is none."""
    found = transaction.execute(sql.STATE_OF, (task_id,)).fetchone()
    if found is None or found[1] != SCHEDULED:
        return False
    seq, state, queue, rules, _ = found
    transaction.execute(sql.HASTEN, (rank(wall - offset, read_rules(rules).priority), wall, seq))
    transaction.moved(queue, state, READY)
    return True


def delete(transaction: Transaction, task_ids: Collection[str]) -> int:
    rows = [transaction.execute(sql.ENDED, (task_id,)).fetchone() for task_id in set(task_ids)]
    return forget(transaction, [row for row in rows if row is not None])


def keep_log(transaction: Transaction, claim: Claim, owner: str | None, lines: Sequence[LogLine]) -> None:
    if transaction.execute(sql.IS_MINE, (claim.seq, claim.fence, owner)).fetchone() is None:
        return
    for line in lines:
        transaction.execute(sql.ADD_LOG, (claim.seq, line.at, line.level, line.logger, line.text))
    transaction.execute(sql.FORGET_OLD_LOGS, (claim.seq, claim.seq, LINES_KEPT))
