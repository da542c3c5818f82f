"""Waiting tasks brought out of a SQLite file, or into it."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypern.errors import QueueUnavailable
from hypern.stores.durable.carried import PAGE_BYTES, Carried, HeldKey, KeptQueue
from hypern.stores.durable.states import READY, SCHEDULED
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.database import PATIENCE, Database

_COLUMNS = (
    "seq, id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, submitted_at, "
    "ready_at, started_at, attempt, fence, lost, error, traceback, origin"
)
# Each state has an index of its own; by number, they would have to be sorted.
_WAITING = f"""
SELECT {_COLUMNS} FROM hypern_tasks WHERE state < 2 AND seq > ? AND seq <= (
    SELECT max(seq) FROM (
        SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before FROM (
            SELECT seq, length(call) AS size FROM hypern_tasks WHERE seq > ? AND state < 2
            ORDER BY seq LIMIT ?
        )
    ) WHERE before < {PAGE_BYTES}
) ORDER BY seq
"""
_ATTEMPTS = """
SELECT task, number, started_at, finished_at, error, traceback FROM hypern_attempts WHERE task = ?
ORDER BY rowid
"""
_ADD = """
INSERT INTO hypern_tasks (
    id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, submitted_at,
    ready_at, started_at, attempt, fence, lost, error, traceback, origin
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_ADD_ATTEMPT = """
INSERT INTO hypern_attempts (task, number, started_at, finished_at, error, traceback)
VALUES (?, ?, ?, ?, ?, ?)
"""
_REMOVE = "DELETE FROM hypern_tasks WHERE seq = ? AND state < 2"
_REMOVE_ATTEMPTS = "DELETE FROM hypern_attempts WHERE task = ?"
_QUEUES = "SELECT name, paused, most FROM hypern_queues WHERE paused <> 0 OR most IS NOT NULL"
_KEYS = "SELECT unique_key, task, until FROM hypern_keys WHERE until > ?"
_SET_QUEUE = """
INSERT INTO hypern_queues (name, paused, most) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET
    paused = max(paused, excluded.paused), most = coalesce(most, excluded.most)
"""
_MARK = "copied"
# So many times is written between two checkpoints.
_CHECKPOINT_EVERY = 16
_SET_KEY = "INSERT INTO hypern_keys VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


class SQLiteCarrier:
    """Raises StoreUnusable."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._database = Database(address)
        self._connection = self._database.writer()
        self._connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        # Their clock is that of this boot.
        self._offset = self._database.offset
        self._written = 0

    def read(self, after: int, limit: int) -> list[Carried]:
        with self._trouble():
            return self._read(after, limit)

    def take(self, after: int, limit: int) -> list[Carried]:
        with self._trouble():
            # Nobody else writes until this ends.
            self._connection.execute("BEGIN IMMEDIATE")
            return self._read(after, limit)

    def remove(self, seqs: Sequence[int]) -> None:
        with self._trouble():
            self._connection.executemany(_REMOVE_ATTEMPTS, ((seq,) for seq in seqs))
            self._connection.executemany(_REMOVE, ((seq,) for seq in seqs))
            self._connection.execute("COMMIT")

    def leave(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def write(self, tasks: Sequence[Carried]) -> int:
        with self._trouble(), self._together():
            self._connection.executemany(sql.KNOWN_QUEUE, {(task.queue,) for task in tasks})
            new = sum(self._add(task) for task in tasks)
        self._written += 1
        if self._written % _CHECKPOINT_EVERY == 0:
            self._checkpoint()
        return new

    def settings(self) -> tuple[list[KeptQueue], list[HeldKey]]:
        with self._trouble():
            queues = self._connection.execute(_QUEUES).fetchall()
            keys = self._connection.execute(_KEYS, (time.time(),)).fetchall()
        return (
            [KeptQueue(name, bool(paused), most) for name, paused, most in queues],
            [HeldKey(*row) for row in keys],
        )

    def set(self, queues: Sequence[KeptQueue], keys: Sequence[HeldKey]) -> None:
        with self._trouble(), self._together():
            for queue in queues:
                self._connection.execute(_SET_QUEUE, (queue.name, int(queue.paused), queue.most))
            for key in keys:
                self._connection.execute(_SET_KEY, (key.unique_key, key.task, key.until))

    def mark(self, word: str) -> None:
        with self._trouble(), self._together():
            self._connection.execute(sql.SET_META, (_MARK, word))

    def marked(self) -> str | None:
        with self._trouble():
            (word,) = self._connection.execute(sql.GET_META, (_MARK,)).fetchone() or (None,)
        return word

    def close(self) -> None:
        self.leave()
        self._checkpoint()
        self._database.close()

    def _read(self, after: int, limit: int) -> list[Carried]:
        rows = self._connection.execute(_WAITING, (after, after, limit)).fetchall()
        attempts: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for seq in (row[0] for row in rows if row[16]):
            for task, *attempt in self._connection.execute(_ATTEMPTS, (seq,)):
                attempts[task].append(tuple(attempt))
        return [self._carried(row, tuple(attempts[row[0]])) for row in rows]

    def _carried(self, row: tuple[Any, ...], attempts: tuple[tuple[Any, ...], ...]) -> Carried:
        (seq, task_id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key,
         submitted_at, ready_at, *rest) = row  # fmt: skip
        return Carried(
            seq, task_id, state == SCHEDULED, lane, queue, rank + self._offset, name, func, rules, call,
            None if due is None else due + self._offset,
            None if expires_at is None else expires_at + self._offset,
            unique_key, submitted_at, ready_at, *(*rest, attempts),
        )  # fmt: skip

    def _add(self, task: Carried) -> bool:
        if (
            task.unique_key is not None
            and self._connection.execute(sql.HOLDER, (task.unique_key,)).fetchone()
        ):
            return False
        added = self._connection.execute(
            _ADD,
            (
                task.id, SCHEDULED if task.is_delayed else READY, task.lane, task.queue,
                task.rank - self._offset, task.name, task.func, task.rules, task.call,
                None if task.due is None else task.due - self._offset,
                None if task.expires_at is None else task.expires_at - self._offset,
                task.unique_key, task.submitted_at, task.ready_at, task.started_at, task.attempt, task.fence,
                task.lost, task.error, task.traceback, task.origin,
            ),
        )  # fmt: skip
        if not added.rowcount:
            return False
        for attempt in task.attempts:
            self._connection.execute(_ADD_ATTEMPT, (added.lastrowid, *attempt))
        return True

    def _checkpoint(self) -> None:
        """Or the log would be as long as all that was written."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("BEGIN IMMEDIATE")
            self._database.checkpoint()
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise QueueUnavailable(f"the task store {self._address.path} cannot be used: {error}.") from error
