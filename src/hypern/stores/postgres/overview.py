"""What is shown to people, and what they do to single tasks."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from hypern.records import TaskRecord
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.rows import as_it_was, clean, read_progress
from hypern.stores.durable.states import FIELDS, STATUS, WITH_INDEX, status_of
from hypern.stores.overview import LINES_KEPT, LOOKED_AT, Filter, Ids, LogLine, Mark, QueueTotals, read_cursor
from hypern.stores.postgres.adding import add_carefully
from hypern.stores.postgres.arrays import numbers, texts
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.shown import backwards
from hypern.stores.postgres.times import Times
from hypern.stores.postgres.transacting import Batch


def ids(link: Link, database: Database, which: Filter, after: str | None, limit: int) -> Ids:
    """`Overview.ids`. The cursor is the number of the last task that was looked at."""
    start = sys.maxsize if after is None else read_cursor(after)
    states = None
    quick: tuple[int, ...] = ()
    if which.statuses is not None:
        states = [state for state, status in enumerate(STATUS) if status in which.statuses]
        if not states:
            return Ids([], None)
        if all(state in WITH_INDEX for state in states):
            quick = tuple(states)
    if any(part and clean(part) != part for part in (which.queue, which.name, which.text)):
        return Ids([], None)  # nothing that is kept has such characters
    # Where nothing is asked for but states, and they have indexes, each that is looked at is meant.
    is_each_meant = which == Filter(which.statuses) and (states is None or bool(quick))
    looked_at = limit if is_each_meant else LOOKED_AT
    text = which.text.lower() if which.text else None
    found = link.rows(
        database.sql.fill(backwards(quick)),
        (
            *([start, looked_at] * max(1, len(quick))),
            *([looked_at] if quick else []),
            *(states, states, which.queue, which.queue, which.name, which.name),
            *(which.since, which.since, which.until, which.until),
            *(text, text, text, text),
            limit,
            looked_at,
        ),
    )
    last, may_have_more = found.pop()
    if len(found) >= limit:
        last, may_have_more = found[-1][0], ""
    return Ids([task_id for _, task_id in found], None if may_have_more is None else str(last))


def totals(link: Link, database: Database) -> list[QueueTotals]:
    counted: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for queue, state, number in link.rows(database.sql.TOTALS):
        if 0 <= state < len(FIELDS):
            counted[queue][FIELDS[state]] = number
    return [QueueTotals(queue, **fields) for queue, fields in sorted(counted.items()) if any(fields.values())]


def heads(link: Link, database: Database) -> dict[str, float]:
    """Since when the next task of each queue has been waiting."""
    return dict(link.rows(database.sql.HEADS))


def marks(link: Link, database: Database, task_ids: Collection[str]) -> dict[str, Mark]:
    return {
        task_id: Mark(
            status_of(state), attempt, bool(asked), None if progress is None else read_progress(progress)
        )
        for task_id, state, attempt, asked, progress in link.rows(database.sql.MARKS, (texts(task_ids),))
    }


def logs(link: Link, database: Database, task_id: str) -> list[LogLine]:
    return [LogLine(*line) for line in link.rows(database.sql.LOGS, (task_id,))]


class Logging(Batch):
    """Lines that a task wrote to the log."""

    __slots__ = ("claim", "database", "latest", "lines", "owner", "was_sent")

    def __init__(
        self, database: Database, claim: Claim, owner: str | None, latest: Callable[[], list[LogLine]]
    ) -> None:
        self.database = database
        self.claim = claim
        self.owner = owner
        self.latest = latest
        self.lines: list[LogLine] = []
        self.was_sent = False

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        for work in works:
            work.keep(link)
        return [None] * len(works)

    def keep(self, link: Link) -> None:
        # What was taken before the connection was lost is not there a second time.
        self.lines.extend(self.latest())
        if not self.lines:
            return
        sql = self.database.sql
        values = (
            numbers([line.at for line in self.lines]),
            numbers([line.level for line in self.lines]),
            texts([line.logger for line in self.lines]),
            texts([line.text for line in self.lines]),
        )
        seq = self.claim.seq
        add = sql.ADD_LOGS_AGAIN if self.was_sent else sql.ADD_LOGS
        link.rows(add, (*values, seq, self.claim.fence, self.owner))
        # Should the lines of another task fail now, these are not written a second time.
        self.lines.clear()
        link.rows(sql.FORGET_OLD_LOGS, (seq, seq, LINES_KEPT))


def again(
    link: Link,
    database: Database,
    task_id: str,
    new_id: str,
    steady: float,
    wall: float,
    capacity: int | None,
) -> TaskRecord | str | None:
    """Add a task like one that has ended. It, without arguments; or the id of the one that stands for it;
    None: that one is unknown or has not ended. Raises QueueFull."""
    times: Times = database.times
    former = link.row(database.sql.PAYLOAD, (task_id,))
    if former is None:
        return None
    record, row = as_it_was(former, new_id, steady, wall, wall - times.waiting_since(wall))
    with link.together():
        link.rows(database.sql.KNOWN_QUEUES, ([record.spec.queue],))
        standing = add_carefully(link, database, record, _parameters(record, row, times), capacity)
        if standing is None:
            link.rows(database.sql.SET_ORIGIN, (task_id, new_id))
        link.rows(database.sql.TELL)
    return record if standing is None else standing


def _parameters(record: TaskRecord, row: tuple[Any, ...], times: Times) -> tuple[Any, ...]:
    expires_at, now = record.expires_at, times.of_wall(record.submitted_at)
    return (
        *row[:10],
        None if expires_at is None else times.due(expires_at),
        record.unique_key,
        now,
        now,
        record.spec.priority,
        record.spec.rules.result_ttl,
    )
