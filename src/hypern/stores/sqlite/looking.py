"""Look up: what the store says of its tasks without changing anything."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection

from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import QueueState
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.rows import lane_number, to_view
from hypern.stores.durable.states import READY, RUNNING, SCHEDULED, STATUS, is_state
from hypern.stores.sqlite import statements as sql


def get(connection: sqlite3.Connection, task_id: str) -> TaskRecord | None:
    row = connection.execute(f"{sql.VIEW} WHERE id = ?", (task_id,)).fetchone()
    return None if row is None else _view(connection, row)


def find(connection: sqlite3.Connection, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
    states = [str(state) for state, status in enumerate(STATUS) if status in statuses]
    rows = connection.execute(f"{sql.VIEW} WHERE state IN ({','.join(states)}) ORDER BY seq").fetchall()
    return [_view(connection, row) for row in rows]


def count(connection: sqlite3.Connection) -> dict[TaskStatus, int]:
    counted = dict.fromkeys(TaskStatus, 0)
    for state, number in connection.execute(sql.COUNT):
        if is_state(state):
            counted[STATUS[state]] += number
    return counted


def queues(connection: sqlite3.Connection) -> list[QueueState]:
    counted: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for queue, state, number in connection.execute(sql.COUNT_QUEUES):
        counted[queue][state] = number
    found = []
    for name, paused, most in connection.execute(sql.QUEUES):
        live = [counted[name].get(state, 0) for state in (READY, SCHEDULED, RUNNING)]
        if paused or most is not None or any(live):
            found.append(QueueState(name, bool(paused), most, *live))
    return found


def ahead(connection: sqlite3.Connection, task_id: str) -> int:
    place = connection.execute(sql.PLACE_IN_LINE, (task_id,)).fetchone()
    return 0 if place is None else int(connection.execute(sql.AHEAD, place).fetchone()[0])


def next_due(connection: sqlite3.Connection) -> float | None:
    (due,) = connection.execute(sql.NEXT_DUE).fetchone()
    (expiry,) = connection.execute(sql.NEXT_EXPIRY).fetchone()
    return min((moment for moment in (due, expiry) if moment is not None), default=None)


def finds_ready(connection: sqlite3.Connection, hands: Hands, lane: Lane) -> bool:
    """Whether a task of this lane waits that this process could claim."""
    number = lane_number(lane)
    unknown = json.dumps(sorted(hands.unknown)) if hands.unknown else None
    for (name,) in connection.execute(sql.BUSY_QUEUES, (number, number)).fetchall():
        if hands.queues is not None and name not in hands.queues:
            continue
        if unknown is None or connection.execute(sql.IS_KNOWN_READY, (number, name, unknown)).fetchone():
            return True
    return False


def _view(connection: sqlite3.Connection, row: tuple[object, ...]) -> TaskRecord:
    return to_view(row, connection.execute(sql.ATTEMPTS, (row[0],)).fetchall())
