"""Waiting tasks brought out of PostgreSQL, or into it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg

from hypern.errors import StoreUnusable
from hypern.stores.durable.carried import PAGE_BYTES, Carried, HeldKey, KeptQueue
from hypern.stores.durable.rows import read_rules
from hypern.stores.durable.states import READY, SCHEDULED
from hypern.stores.postgres import schema
from hypern.stores.postgres.address import Address
from hypern.stores.postgres.link import connect
from hypern.stores.postgres.trouble import unavailable, unusable

_COLUMNS = (
    "seq, id, state = 1, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, "
    "submitted_at, ready_at, started_at, attempt, fence, lost, error, traceback, origin"
)
_HAS_TABLES = "SELECT to_regclass(%b) IS NOT NULL"
# Only so many as come before the server is thought to be away (PAGE_BYTES).
_READ = f"""
SELECT {_COLUMNS} FROM {{s}}.tasks WHERE state < 2 AND seq > %b AND seq <= (
    SELECT max(seq) FROM (
        SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before FROM (
            SELECT seq, length(call) AS size FROM {{s}}.tasks WHERE seq > %b AND state < 2
            ORDER BY seq LIMIT %b
        ) page
    ) sized WHERE before < {PAGE_BYTES}
) ORDER BY seq
"""
_TAKE = f"{_READ} FOR UPDATE"
_ATTEMPTS = """
SELECT task, number, started_at, finished_at, error, traceback FROM {s}.attempts
WHERE task = ANY (%b::bigint[]) ORDER BY task, added
"""
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
_ADD = """
INSERT INTO {s}.tasks (
    id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, submitted_at,
    ready_at, started_at, attempt, fence, lost, error, traceback, origin, priority, ttl
) VALUES (%s) ON CONFLICT DO NOTHING RETURNING seq
""".replace("%s", ", ".join(["%b"] * 23))
_ADD_ATTEMPT = """
INSERT INTO {s}.attempts (task, number, started_at, finished_at, error, traceback)
VALUES (%b::bigint, %b::int, %b::float8, %b::float8, %b, %b)
"""
_REMOVE = "DELETE FROM {s}.tasks WHERE seq = ANY (%b::bigint[])"
_REMOVE_ATTEMPTS = "DELETE FROM {s}.attempts WHERE task = ANY (%b::bigint[])"
_KNOWN_QUEUES = "INSERT INTO {s}.queues (name) SELECT unnest(%b::text[]) ON CONFLICT DO NOTHING"
_QUEUES = "SELECT name, paused, most FROM {s}.queues WHERE paused OR most IS NOT NULL"
_KEYS = "SELECT unique_key, task, until FROM {s}.keys WHERE until > extract(epoch FROM clock_timestamp())"
_SET_QUEUE = """
INSERT INTO {s}.queues AS q (name, paused, most) VALUES (%b, %b, %b::int) ON CONFLICT (name) DO UPDATE SET
    paused = q.paused OR excluded.paused, most = coalesce(q.most, excluded.most)
"""
_SET_KEY = "INSERT INTO {s}.keys VALUES (%b, %b, %b) ON CONFLICT DO NOTHING"


_SET_MARK = (
    "INSERT INTO {s}.meta VALUES ('copied', %b) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_GET_MARK = "SELECT value FROM {s}.meta WHERE key = 'copied'"
# Clocks that differ by less (seconds) are taken for the same when it is only to be known what was when.
_SAME = 0.5


class PostgresCarrier:
    """`must_exist`: whether its tables have to be there already. Raises StoreUnusable.

    Its times are those of the server's clock, and a carried task has those of this host's.
    """

    def __init__(self, address: Address, *, must_exist: bool) -> None:
        self._address = address
        try:
            self._link = connect(address, "copy")
        except psycopg.Error as error:
            raise unusable(address, error) from error
        try:
            if must_exist and self._link.row(_HAS_TABLES, (f"{address.schema}.tasks",)) != (True,):
                raise StoreUnusable(
                    f"{address.shown} has no tables of Hypern in the schema {address.schema}. Name another "
                    "database, or another schema with hypern_schema."
                )
            schema.prepare(self._link, address)
            before = time.time()
            ((server,),) = self._rows(_NOW)
            # What a host's second is at most on the server, and at least.
            self._most, self._least = server - before, server - time.time()
        except psycopg.Error as error:
            self._link.close()
            raise unusable(address, error) from error
        except BaseException:
            self._link.close()
            raise

    def read(self, after: int, limit: int) -> list[Carried]:
        with self._trouble():
            return self._read(_READ, after, limit)

    def take(self, after: int, limit: int) -> list[Carried]:
        with self._trouble():
            self._rows("BEGIN")
            return self._read(_TAKE, after, limit)

    def remove(self, seqs: Sequence[int]) -> None:
        with self._trouble():
            self._rows(_REMOVE_ATTEMPTS, (list(seqs),))
            self._rows(_REMOVE, (list(seqs),))
            self._rows("COMMIT")

    def leave(self) -> None:
        if not self._link.closed and self._link.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            with self._trouble():
                self._rows("ROLLBACK")

    def write(self, tasks: Sequence[Carried]) -> int:
        with self._trouble(), self._link.together():
            self._rows(_KNOWN_QUEUES, (sorted({task.queue for task in tasks}),))
            return self._add(tasks)

    def settings(self) -> tuple[list[KeptQueue], list[HeldKey]]:
        with self._trouble():
            queues, keys = self._rows(_QUEUES), self._rows(_KEYS)
        return [KeptQueue(*row) for row in queues], [HeldKey(*row) for row in keys]

    def set(self, queues: Sequence[KeptQueue], keys: Sequence[HeldKey]) -> None:
        with self._trouble(), self._link.together():
            for queue in queues:
                self._rows(_SET_QUEUE, msgspec.structs.astuple(queue))
            for key in keys:
                self._rows(_SET_KEY, msgspec.structs.astuple(key))

    def mark(self, word: str) -> None:
        with self._trouble():
            self._rows(_SET_MARK, (word,))

    def marked(self) -> str | None:
        with self._trouble():
            rows = self._rows(_GET_MARK)
        return rows[0][0] if rows else None

    def close(self) -> None:
        self._link.close()

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._link.rows(statement.replace("{s}", self._address.schema), parameters)

    def _read(self, statement: str, after: int, limit: int) -> list[Carried]:
        rows = self._rows(statement, (after, after, limit))
        attempts: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for task, *attempt in self._rows(_ATTEMPTS, ([row[0] for row in rows if row[16]],)):
            attempts[task].append(tuple(attempt))
        found = (Carried(*(*row, tuple(attempts[row[0]]))) for row in rows)
        return [_shifted(task, -self._least) for task in found]

    def _add(self, tasks: Sequence[Carried]) -> int:
        """All statements are sent before the first answer is waited for."""
        statement = _ADD.replace("{s}", self._address.schema)
        shifted = [_shifted(task, self._most) for task in tasks]
        with self._link.cursor(binary=True) as cursor:
            cursor.executemany(statement, [_parameters(task) for task in shifted], returning=True)
            added = []
            for task in shifted:
                row = cursor.fetchone()
                if row is not None:
                    added.append((row[0], task))
                cursor.nextset()
            attempts = [(seq, *attempt) for seq, task in added for attempt in task.attempts]
            if attempts:
                cursor.executemany(_ADD_ATTEMPT.replace("{s}", self._address.schema), attempts)
        return len(added)

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise unavailable(self._address, error) from error


def _shifted(task: Carried, seconds: float) -> Carried:
    """The same moments on another clock, which shows so many seconds more."""
    past = 0.0 if abs(seconds) < _SAME else seconds
    return msgspec.structs.replace(
        task,
        due=None if task.due is None else task.due + seconds,
        expires_at=None if task.expires_at is None else task.expires_at + seconds,
        rank=task.rank + past,
        submitted_at=task.submitted_at + past,
        ready_at=task.ready_at + past,
        started_at=task.started_at + past if task.started_at else 0.0,
    )


def _parameters(task: Carried) -> tuple[Any, ...]:
    rules = read_rules(task.rules)
    return (
        task.id, SCHEDULED if task.is_delayed else READY, task.lane, task.queue, task.rank, task.name,
        task.func, task.rules, task.call, task.due, task.expires_at, task.unique_key, task.submitted_at,
        task.ready_at, task.started_at, task.attempt, task.fence, task.lost, task.error, task.traceback,
        task.origin, rules.priority, rules.result_ttl,
    )  # fmt: skip
