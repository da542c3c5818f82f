"""Lists and numbers of the records that a memory store holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from hypern.records import TaskRecord, TaskStatus
from hypern.stores.overview import LOOKED_AT, Filter, Ids, QueueTotals, bad_cursor


def ids(records: Sequence[TaskRecord], which: Filter, after: str | None, limit: int) -> Ids:
    """`Overview.ids`. `records`: all there are, in the order in which they were added."""
    end = len(records) if after is None else _find(records, after)
    found: list[str] = []
    at = end
    while at > 0 and len(found) < limit and end - at < LOOKED_AT:
        at -= 1
        record = records[at]
        if which.takes(
            record.status, record.spec.queue, record.name, record.submitted_at, record.id, record.error
        ):
            found.append(record.id)
    return Ids(found, f"{records[at].submitted_at!r}/{records[at].id}" if at else None)


def _find(records: Sequence[TaskRecord], after: str) -> int:
    """Where the record stands that an earlier answer ended with, or would, were it still there."""
    moment, _, task_id = after.partition("/")
    try:
        submitted_at = float(moment)
    except ValueError:
        raise bad_cursor(after) from None
    place = None
    for at in range(len(records) - 1, -1, -1):
        if records[at].id == task_id:
            return at
        if place is None and records[at].submitted_at < submitted_at:
            place = at + 1
    return place or 0


_FIELDS = {
    TaskStatus.RUNNING: "running",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "cancelled",
}


def totals(records: Iterable[TaskRecord], pruned: Mapping[str, int]) -> list[QueueTotals]:
    """`Overview.totals`. Each task is counted once, though it may go on meanwhile."""
    counted: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for record in records:
        if record.status is TaskStatus.PENDING:
            field = "waiting" if record.due is None else "delayed"
        else:
            field = _FIELDS[record.status]
        counted[record.spec.queue][field] += 1
    for queue, number in pruned.items():
        counted[queue]["pruned"] += number
    return [QueueTotals(queue, **fields) for queue, fields in sorted(counted.items())]
