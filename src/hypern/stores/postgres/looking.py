"""Look up: what the store says of its tasks without changing anything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import QueueState
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.rows import lane_number, to_view
from hypern.stores.durable.states import READY, RUNNING, SCHEDULED, STATUS, is_state
from hypern.stores.postgres import damaged
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link


def get(link: Link, database: Database, task_id: str) -> TaskRecord | None:
    found = _views(link, database, "id = %b", task_id)
    return found[0] if found else None


def find(link: Link, database: Database, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
    states = [state for state, status in enumerate(STATUS) if status in statuses]
    return _views(link, database, "state = ANY (%b::smallint[])", states) if states else []


def _views(link: Link, database: Database, condition: str, parameter: object) -> list[TaskRecord]:
    sql = database.sql
    try:
        rows = link.rows(f"{sql.VIEW} WHERE {condition} ORDER BY seq", (parameter,))
    except Exception as error:
        if not damaged.may_be_of_a_row(error, link):
            raise
        seqs = link.rows(
            sql.fill(f"SELECT seq FROM {{s}}.tasks WHERE {condition} ORDER BY seq"), (parameter,)
        )
        rows = damaged.views(link, database, [seq for (seq,) in seqs])
    attempts: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    tried = [row[0] for row in rows if row[12] > 0]
    if tried:
        for task, *attempt in link.rows(database.sql.ATTEMPTS, (tried,)):
            attempts[task].append(tuple(attempt))
    about = database.times.about
    return [
        to_view(
            (
                *row[:8],
                None if row[8] is None else about(row[8]),
                row[9],
                None if row[10] is None else about(row[10]),
                *row[11:],
            ),
            attempts[row[0]],
        )
        for row in rows
    ]


def count(link: Link, database: Database) -> dict[TaskStatus, int]:
    counted = dict.fromkeys(TaskStatus, 0)
    for state, number in link.rows(database.sql.COUNT):
        if is_state(state):
            counted[STATUS[state]] += number
    return counted


def queues(link: Link, database: Database) -> list[QueueState]:
    counted: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for queue, state, number in link.rows(database.sql.COUNT_QUEUES):
        counted[queue][state] = number
    found = []
    for name, paused, most in link.rows(database.sql.QUEUES):
        live = [counted[name].get(state, 0) for state in (READY, SCHEDULED, RUNNING)]
        if paused or most is not None or any(live):
            found.append(QueueState(name, paused, most, *live))
    return found


def next_due(link: Link, database: Database) -> float | None:
    """The steady-clock second at which something is due, or expires, next."""
    row = link.row(database.sql.NEXT_DUE)
    moments = [moment for moment in row or () if moment is not None]
    return database.times.steady(min(moments)) if moments else None


def finds_ready(link: Link, database: Database, hands: Hands, lane: Lane) -> bool:
    """Whether a task of this lane waits that this process could claim."""
    unknown = sorted(hands.unknown) or None
    queues = None if hands.queues is None else sorted(hands.queues)
    row = link.row(database.sql.IS_READY, (lane_number(lane), unknown, unknown, queues, queues))
    return row is not None and bool(row[0])
