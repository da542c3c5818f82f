"""Rows with which the server itself is at a loss: a value is damaged on its disk, is no text, or grows beyond
its type. A statement that meets one fails for all; they are found out by halves, and each is the trouble of
one task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import psycopg

from hypern.records import Lane
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import clean, lane_number
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.statements import COLUMNS, VIEWED, beat
from hypern.stores.postgres.trouble import describe

logger = logging.getLogger("hypern.tasks")

Row = tuple[Any, ...]

# So many of the tasks that are next are looked at.
_LOOKED_AT = 1000
_NEXT = """
SELECT r.seq FROM {s}.queues q CROSS JOIN LATERAL (
    SELECT seq, rank FROM {s}.tasks WHERE state = 0 AND lane = %b AND queue = q.name
        AND func <> ALL (%b::text[]) ORDER BY rank, seq LIMIT %b
) r WHERE NOT q.paused AND (%b::text[] IS NULL OR q.name = ANY (%b::text[])) ORDER BY r.rank, r.seq LIMIT %b
"""
# What a claim reads and changes.
_TRY = f"SELECT {COLUMNS}, attempt + 1, fence + 1 FROM {{s}}.tasks WHERE seq = ANY (%b::bigint[])"
_FAIL = """
WITH ended AS (
    UPDATE {s}.tasks t SET state = 4, error = %b, finished_at = %b, gone_at = %b + coalesce(t.ttl, %b)
    WHERE seq = %b AND state + 0 = 0 RETURNING t.id, t.queue, %b::text AS name
), counted AS (
    INSERT INTO {s}.deltas SELECT queue, 4, count(*) FROM ended GROUP BY queue
), %beat
SELECT id FROM ended
""".replace("%beat", beat("failed", "true"))
_VIEW = f"SELECT {VIEWED} FROM {{s}}.tasks WHERE seq = ANY (%b::bigint[]) ORDER BY seq"
_REPLACED = "\N{REPLACEMENT CHARACTER}"
# What is shown instead of a value that cannot be read. A number always can be, or nothing of the row.
_INSTEAD = {
    "name": _REPLACED,
    "func": _REPLACED,
    "queue": _REPLACED,
    "error": _REPLACED,
    "traceback": _REPLACED,
    "rules": b"",
    "call": b"",
    "result": b"",
    **dict.fromkeys(("unique_key", "result_omitted", "reason", "progress", "origin")),
}


def may_be_of_a_row(error: BaseException, link: Link) -> bool:
    """Whether it may be one row that is to blame, and the others can be had."""
    if link.closed:
        return False
    if isinstance(error, psycopg.Error):
        return (error.sqlstate or "").startswith(("22", "XX"))
    return isinstance(error, UnicodeDecodeError)


def fail_those(
    link: Link,
    database: Database,
    keeping: Keeping,
    lane: Lane,
    queues: Collection[str] | None,
    unknown: Collection[str],
    now: float,
) -> bool:
    """Of the tasks of a lane that are next, fail those that cannot be claimed. Whether there were any. `now`:
    on the server's clock."""
    sql = database.sql
    named = None if queues is None else sorted(queues)
    parameters = (lane_number(lane), sorted(unknown), _LOOKED_AT, named, named, _LOOKED_AT)
    waiting = [seq for (seq,) in link.rows(sql.fill(_NEXT), parameters)]
    found: list[tuple[int, Exception]] = []
    _by_halves(link, sql.fill(_TRY), waiting, lambda seq, error: found.append((seq, error)))
    for seq, error in found:
        said = describe(error) if isinstance(error, psycopg.Error) else str(error)
        name = _read_one(link, database, "name", seq) or (_REPLACED,)
        values = (clean(f"Unreadable: {said}"), now, now, keeping.seconds, seq, *name, now)
        for (task_id,) in link.rows(sql.fill(_FAIL), values):
            logger.error("task %s failed, for the server cannot read or change it: %s", task_id, said)
    return bool(found)


def views(link: Link, database: Database, seqs: Sequence[int]) -> list[Row]:
    """The rows with these numbers, in their order, as `statements.VIEW` gives them; instead of values that
    cannot be read, others."""
    rows: list[Row] = []

    def piece_by_piece(seq: int, error: Exception) -> None:
        pieces = [_read_one(link, database, column, seq) for column in VIEWED.split(", ")]
        if None not in pieces:  # else it has been forgotten meanwhile
            rows.append(tuple(piece[0] for piece in pieces if piece is not None))

    _by_halves(link, database.sql.fill(_VIEW), seqs, piece_by_piece, rows.extend)
    return rows


def _read_one(link: Link, database: Database, column: str, seq: int) -> Row | None:
    """The value of a column, or what is shown instead; None: there is no such row."""
    try:
        return link.row(database.sql.fill(f"SELECT {column} FROM {{s}}.tasks WHERE seq = %b"), (seq,))
    except Exception as error:
        if column not in _INSTEAD or not may_be_of_a_row(error, link):
            raise
        return (_INSTEAD[column],)


def _by_halves(
    link: Link,
    statement: str,
    seqs: Sequence[int],
    bad: Callable[[int, Exception], None],
    good: Callable[[list[Row]], None] = lambda rows: None,
) -> None:
    """Execute a statement for all of these, in order, told apart into those for which it can be done and
    those for which it cannot."""
    if not seqs:
        return
    try:
        rows = link.rows(statement, (list(seqs),))
    except Exception as error:
        if not may_be_of_a_row(error, link):
            raise
        if len(seqs) == 1:
            bad(seqs[0], error)
            return
        middle = len(seqs) // 2
        for half in (seqs[:middle], seqs[middle:]):
            _by_halves(link, statement, half, bad, good)
    else:
        good(rows)
