"""Add: what keeping new tasks writes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg.sql import Literal

from hypern.errors import QueueFull
from hypern.records import TaskRecord
from hypern.stores.durable.rows import to_row
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.statements import ADDED, Statements
from hypern.stores.postgres.times import Times
from hypern.stores.postgres.transacting import Batch

Parameters = tuple[Any, ...]

# More than so many rows are copied; fewer are quicker in one statement of a known length.
_IN_ONE_STATEMENT = 16
# A statement for each task, of so many tasks, and what stands in it; the types of what does not.
_PLAIN_KEPT = 60
_CONSTANTS = ("lane", "queue", "name", "func", "rules", "priority")
_CONSTANT = re.compile(f"%({'|'.join(_CONSTANTS)})")
_PLAIN_TYPES = tuple(
    psycopg.adapters.types[name].oid for name in ("text", "float8", "bytea", "float8", "float8")
)
_float8 = struct.Struct("!d").pack
# So many rows, and so many bytes of arguments, take the server a moment, and not so long that it would be
# thought to be away.
_IN_ONE_COPY = 10_000
_BYTES_IN_ONE_COPY = 4_000_000
_CALL = ADDED.split(", ").index("call")
TYPES = (
    "text", "int2", "int2", "text", "float8", "text", "text", "bytea", "bytea", "float8", "float8", "text",
    "float8", "float8", "int4", "float8",
)  # fmt: skip


def to_parameters(record: TaskRecord, times: Times) -> Parameters:
    """The values of `statements.ADDED`.

    Raises InvalidTask, NotSerializable, TaskTooLarge.
    """
    row = to_row(record, record.ready_at - times.waiting_since(record.ready_at))
    due, expires_at = record.due, record.expires_at
    rules = record.spec.rules
    return (
        *row[:9],
        None if due is None else times.due(due),
        None if expires_at is None else times.due(expires_at),
        row[11],
        times.of_wall(record.submitted_at),
        times.of_wall(record.ready_at),
        record.spec.priority,
        rules.result_ttl,
    )


class Adding(Batch):
    """One task, without a key and where any number may wait. Its result: the id of the task that stands for
    it already, or None. `queue`: to be made known first, None: it is."""

    __slots__ = ("database", "id", "parameters", "queue", "was_sent")

    def __init__(self, database: Database, task_id: str, parameters: Parameters, queue: str | None) -> None:
        self.database = database
        self.id = task_id
        self.parameters = parameters
        self.queue = queue
        self.was_sent = False

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        sql = works[0].database.sql
        queues = {work.queue for work in works if work.queue is not None}
        if queues:
            link.rows(sql.KNOWN_QUEUES, (sorted(queues),))
        if len(works) == 1:
            work = works[0]
            values = work.parameters
            try:
                if link.has_session and values[9] is values[10] is values[11] is values[15] is None:
                    _add_plain(link, work.database, values)
                else:
                    link.rows(sql.ADD, values)
            except psycopg.errors.UniqueViolation:
                return [work.id]
            return [None]
        # In the same order everywhere, lest two processes wait for each other.
        ordered = sorted(works, key=lambda work: work.id)
        added = insert(link, sql, [work.parameters for work in ordered])
        link.rows(sql.TELL)
        return [None if added.pop(work.id, False) else work.id for work in works]


def _add_plain(link: Link, database: Database, values: Parameters) -> None:
    """Add one that waits for nothing, has no key, and is kept as long as all are."""
    known = database.plain
    constants = (values[2], values[3], *values[5:8], values[14])
    statement = known.get(constants)
    if statement is None:
        literals = {
            name: Literal(value).as_string(link) for name, value in zip(_CONSTANTS, constants, strict=True)
        }
        statement = _CONSTANT.sub(lambda found: literals[found[1]], database.sql.ADD_PLAIN)
        if len(known) >= _PLAIN_KEPT:
            known.clear()
        known[constants] = statement
    task_id, rank, call, submitted_at, ready_at = values[0], values[4], values[8], values[12], values[13]
    link.execute_prepared(
        statement,
        _PLAIN_TYPES,
        (task_id.encode(), _float8(rank), call, _float8(submitted_at), _float8(ready_at)),
    )


def insert(link: Link, sql: Statements, rows: Sequence[Parameters]) -> dict[str, bool]:
    """Add all rows whose ids and keys are not known; the ids of those that were."""
    if len(rows) <= _IN_ONE_STATEMENT:
        return _insert_some(link, sql, rows)
    try:
        if sum(1 for _ in pieces(rows)) == 1:
            copy(link, sql, rows)
        else:
            with link.together():
                copy(link, sql, rows)
        return dict.fromkeys((row[0] for row in rows), True)
    except psycopg.errors.UniqueViolation:
        added: dict[str, bool] = {}
        with link.together():
            for start in range(0, len(rows), _IN_ONE_STATEMENT):
                added |= _insert_some(link, sql, rows[start : start + _IN_ONE_STATEMENT])
        return added


def _insert_some(link: Link, sql: Statements, rows: Sequence[Parameters]) -> dict[str, bool]:
    places = f"({', '.join(['%b'] * len(TYPES))})"
    statement = sql.ADD_SEVERAL.replace("%rows", ", ".join([places] * len(rows)))
    values = [value for row in rows for value in row]
    return {row[0]: True for row in link.rows(statement, values)}


def copy(link: Link, sql: Statements, rows: Sequence[Parameters]) -> None:
    """Add all rows, in a transaction if they are several pieces; raises UniqueViolation if one is known."""
    for piece in pieces(rows):
        with link.cursor() as cursor, cursor.copy(sql.COPY) as copying:
            copying.set_types(TYPES)
            for row in piece:
                copying.write_row(row)


def pieces(rows: Sequence[Parameters]) -> Iterator[Sequence[Parameters]]:
    """As many rows each as one COPY may have."""
    start = size = 0
    for end, row in enumerate(rows):
        size += len(row[_CALL])
        if end > start and (size > _BYTES_IN_ONE_COPY or end - start >= _IN_ONE_COPY):
            yield rows[start:end]
            start, size = end, len(row[_CALL])
    if start < len(rows):
        yield rows[start:]


class Whole(Batch):
    """A transaction of its own. Its result: what `work` returns, which may be called more than once."""

    __slots__ = ("was_sent", "work")
    is_alone = True

    def __init__(self, work: Callable[[Link], Any]) -> None:
        self.work = work
        self.was_sent = False

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        return [work.work(link) for work in works]


def add_one(
    link: Link, database: Database, record: TaskRecord, parameters: Parameters, capacity: int | None
) -> str | None:
    """Add one task that has a key, or where only so many may wait. The id of the task that stands for it
    already, or None. Raises QueueFull."""
    with link.together():
        link.rows(database.sql.KNOWN_QUEUES, ([record.spec.queue],))
        standing = add_carefully(link, database, record, parameters, capacity)
        link.rows(database.sql.TELL)
    return standing


def add_carefully(
    link: Link, database: Database, record: TaskRecord, parameters: Parameters, capacity: int | None
) -> str | None:
    """Add one task that has a key, or where only so many may wait; inside a transaction.

    The id of the task that stands for it already, or None. Raises QueueFull.
    """
    sql = database.sql
    key = record.unique_key
    if capacity is not None:
        # The number that wait is exact only if nobody else adds meanwhile.
        link.rows(sql.LOCK_CAPACITY)
    if key is not None and database.has_locks:
        link.rows(sql.LOCK_KEY, (database.locks, key))
    submitted_at, period = parameters[12], record.spec.rules.unique_for
    is_added = False
    while not is_added:
        if link.row(sql.IS_KNOWN, (record.id,)) is not None:
            return record.id
        if key is not None:
            held = link.row(sql.HOLDER, (key,)) or link.row(sql.KEY_HOLDER, (key, submitted_at))
            if held is not None:
                return str(held[0])
        if capacity is not None:
            row = link.row(sql.PENDING_UP_TO, (capacity, capacity))
            if row is not None and row[0] >= capacity:
                raise QueueFull(capacity)
        # Where somebody without our locks came first it is not added, and seen once more whose key it is: his
        # task may have ended meanwhile.
        is_added = bool(_insert_some(link, sql, [parameters]))
    if key is None:
        return None
    # From here on nobody else can add one with this key. Who has done so since we looked, and ended it, and
    # had no lock either, is seen now.
    while True:
        if period is not None:
            if link.rows(sql.KEEP_KEY, (key, record.id, submitted_at + period, submitted_at)):
                return None
        elif database.has_locks:
            return None
        held = link.row(sql.KEY_HOLDER, (key, submitted_at))
        if held is not None:
            link.rows(sql.TAKE_BACK, (record.id,))
            return str(held[0])
        if period is None:
            return None


def add_all(
    link: Link,
    database: Database,
    records: Sequence[TaskRecord],
    rows: Sequence[Parameters],
    capacity: int | None,
) -> list[str | None]:
    """Add all of them in one transaction. Raises QueueFull; nothing has been added then."""
    sql = database.sql
    queues = sorted({record.spec.queue for record in records})
    if capacity is None and all(record.unique_key is None for record in records):
        try:
            with link.together():
                link.rows(sql.KNOWN_QUEUES, (queues,))
                copy(link, sql, rows)
                link.rows(sql.TELL)
            return [None] * len(records)
        except psycopg.errors.UniqueViolation:
            pass  # which of them is known is seen one by one
    keys = sorted({record.unique_key for record in records if record.unique_key is not None})
    with link.together():
        link.rows(sql.KNOWN_QUEUES, (queues,))
        # In the same order everywhere, lest two processes wait for each other.
        for key in keys if database.has_locks else ():
            link.rows(sql.LOCK_KEY, (database.locks, key))
        standing = [
            add_carefully(link, database, record, row, capacity)
            for record, row in zip(records, rows, strict=True)
        ]
        link.rows(sql.TELL)
    return standing
