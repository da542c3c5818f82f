"""What is shown to people: tasks by the page, numbers, log lines."""

from __future__ import annotations

import heapq
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hypern.stores.durable.states import FIELDS, STATUS, status_of
from hypern.stores.overview import LOOKED_AT, Filter, Ids, LogLine, QueueTotals, read_cursor
from hypern.stores.sqlite import statements as sql


def ids(connection: sqlite3.Connection, which: Filter, after: str | None, limit: int) -> Ids:
    """`Overview.ids`. The cursor is the number of the last task that was looked at."""
    found: list[str] = []
    rows = _backwards(connection, which, sys.maxsize if after is None else read_cursor(after))
    for looked_at, (seq, task_id, state, queue, name, submitted_at, error) in enumerate(rows, 1):
        if which.takes(status_of(state), queue, name, submitted_at, task_id, error):
            found.append(task_id)
        if len(found) >= limit or looked_at >= LOOKED_AT:
            return Ids(found, str(seq))
    return Ids(found, None)


def _backwards(connection: sqlite3.Connection, which: Filter, start: int) -> Iterable[tuple[Any, ...]]:
    """The tasks that may be meant, the last added first."""
    if which.statuses is not None:
        states = [state for state, status in enumerate(STATUS) if status in which.statuses]
        if all(state in sql.BACKWARDS_IN for state in states):
            parts = [connection.execute(sql.BACKWARDS_IN[state], (start, LOOKED_AT)) for state in states]
            return heapq.merge(*parts, key=lambda row: -row[0])
    return connection.execute(sql.BACKWARDS, (start, LOOKED_AT))


def totals(connection: sqlite3.Connection) -> list[QueueTotals]:
    counted: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for queue, state, number in connection.execute(sql.TOTALS):
        if 0 <= state < len(FIELDS):
            field = FIELDS[state]
            counted[queue][field] = counted[queue].get(field, 0) + number
    return [QueueTotals(queue, **fields) for queue, fields in sorted(counted.items()) if any(fields.values())]


def heads(connection: sqlite3.Connection) -> dict[str, float]:
    """Since when the next task of each queue has been waiting."""
    found: dict[str, float] = {}
    for queue, ready_at in connection.execute(sql.HEADS):
        if ready_at is not None:
            found[queue] = min(ready_at, found.get(queue, ready_at))
    return found


def logs(connection: sqlite3.Connection, task_id: str) -> list[LogLine]:
    found = connection.execute(sql.STATE_OF, (task_id,)).fetchone()
    return [] if found is None else [LogLine(*line) for line in connection.execute(sql.LOGS, (found[0],))]
