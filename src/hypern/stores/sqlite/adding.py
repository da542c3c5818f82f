"""Add: what keeping a new task writes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from hypern.errors import QueueFull
from hypern.records import TaskRecord
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction

Parameters = tuple[Any, ...]

# So many rows in one statement; beyond that, longer statements are not quicker.
_TOGETHER = 32


class PlainAdding:
    """The work of adding a task that may be added whatever else is there, unless its id is known. Those of a
    transaction can be done together (`add_together`)."""

    __slots__ = ("_id", "row")

    def __init__(self, record: TaskRecord, row: Parameters) -> None:
        self._id = record.id
        self.row = row

    def __call__(self, transaction: Transaction) -> str | None:
        return None if transaction.execute(sql.ADD, self.row).rowcount else self._id


def add_together(transaction: Transaction, rows: Sequence[Parameters]) -> bool:
    """Keep all of these. False: some id is known already, and only some have been kept."""
    kept = 0
    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        statement = sql.add_rows(len(part))
        kept += transaction.execute(statement, tuple(chain.from_iterable(part))).rowcount
    return kept == len(rows)


def add(
    transaction: Transaction, record: TaskRecord, row: Parameters, capacity: int | None, new_queue: bool
) -> str | None:
    """Keep one task; the id of the one that stands for it already, or None. Raises QueueFull."""
    if record.unique_key is not None or capacity is not None:
        if transaction.execute(sql.STATE_OF, (record.id,)).fetchone() is not None:
            return record.id
        if record.unique_key is not None and (holder := _holder(transaction, record)) is not None:
            return holder
        if capacity is not None and _is_full(transaction, capacity):
            raise QueueFull(capacity)
        if record.unique_key is not None and record.spec.rules.unique_for is not None:
            until = record.submitted_at + record.spec.rules.unique_for
            transaction.execute(sql.KEEP_KEY, (record.unique_key, record.id, until))
    if transaction.execute(sql.ADD, row).rowcount == 0:
        return record.id
    if new_queue:
        transaction.execute(sql.KNOWN_QUEUE, (record.spec.queue,))
    return None


def add_many(
    transaction: Transaction, records: Sequence[TaskRecord], rows: Sequence[Parameters], capacity: int | None
) -> list[str | None]:
    """Keep all of them. Raises QueueFull; nothing has been kept then."""
    transaction.execute("SAVEPOINT many")
    try:
        standing = _add_all(transaction, records, rows, capacity)
    except QueueFull:
        transaction.execute("ROLLBACK TO many")
        transaction.execute("RELEASE many")
        raise
    # Not after any other error: SQLite may have ended the transaction then, and this would hide why.
    transaction.execute("RELEASE many")
    added = {record.spec.queue for record, other in zip(records, standing, strict=True) if other is None}
    for queue in added:
        transaction.execute(sql.KNOWN_QUEUE, (queue,))
    return standing


def _add_all(
    transaction: Transaction, records: Sequence[TaskRecord], rows: Sequence[Parameters], capacity: int | None
) -> list[str | None]:
    if capacity is None and all(record.unique_key is None for record in records):
        if add_together(transaction, rows):
            return [None] * len(records)
        # Some id is known already: which, is seen one by one.
        transaction.execute("ROLLBACK TO many")
    return [
        add(transaction, record, row, capacity, new_queue=False)
        for record, row in zip(records, rows, strict=True)
    ]


def _holder(transaction: Transaction, record: TaskRecord) -> str | None:
    row = transaction.execute(sql.HOLDER, (record.unique_key,)).fetchone()
    if row is None:
        row = transaction.execute(sql.KEY_HOLDER, (record.unique_key, record.submitted_at)).fetchone()
    return None if row is None else str(row[0])


def _is_full(transaction: Transaction, capacity: int) -> bool:
    (pending,) = transaction.execute(sql.PENDING_UP_TO, (capacity, capacity)).fetchone()
    return bool(pending >= capacity)
