"""This process among the others that run tasks of the database: its session's lock, its lease, its row."""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Collection

import msgspec
import psycopg

from hypern.errors import QueueUnavailable
from hypern.stores.base import WorkerState
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link

logger = logging.getLogger("hypern.tasks")

# A process that is not heard of for so long is taken for dead (seconds); so often it is heard of; and so
# long after it was last heard of it starts nothing more, for others may soon.
LEASE = 30.0
RENEW_EVERY = 5.0
_CERTAIN = LEASE * 2 / 3
# What stands for the lock of a process without a session of its own: only its lease tells of its death.
_NO_LOCK = 0
# So many tasks that are not known here are named.
_NAMED = 50


class Presence:
    """Its id is a new one whenever others may have taken it for dead.

    The lock and the lease are two signs of life. The lock ends with the session, which is at once when the
    process is killed; the lease when nothing was heard of it for long, also if the server has not noticed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._about = WorkerState("", os.getpid(), socket.gethostname(), time.time(), None, 1)
        self._id: str | None = None
        self._number = 0
        self._certain_until = 0.0
        self._link: Link | None = None
        self._is_told = True
        self._serves = False
        # Taken for dead, and not under a new name yet.
        self._is_lost = False
        # Whether a thread sees to it that the lease is renewed.
        self.is_watched = False

    @property
    def id(self) -> str | None:
        """None: it has claimed nothing yet."""
        return self._id

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        self._about = msgspec.structs.replace(self._about, workers=workers, queues=queues)
        self._is_told = False
        self._serves = True
        try:
            self.incarnation()
        except (psycopg.Error, QueueUnavailable) as error:
            logger.error("this process cannot run tasks yet: %s", error)

    def does_not_know(self, tasks: Collection[str]) -> None:
        self._about = msgspec.structs.replace(self._about, unknown=tuple(sorted(tasks)[:_NAMED]))
        self._is_told = False

    def incarnation(self) -> str:
        """The id under which tasks are claimed, made known before the first is. Raises psycopg.Error,
        QueueUnavailable."""
        found = self._id
        if found is None:
            with self._lock:
                if self._is_lost:
                    raise QueueUnavailable("this process was taken for dead, and has no new name yet.")
                if self._id is None:
                    self._enter()
                found = str(self._id)
        return found

    def is_certain(self) -> bool:
        """Whether nobody can have taken this process for dead."""
        if self._is_lost:
            return False
        return self._id is None or self._database.clock.steady() < self._certain_until

    def link(self) -> Link:
        """The session that holds the lock. Used by the thread that watches."""
        self.is_watched = True
        with self._lock:
            return self._connected()

    def keep_up(self) -> bool:
        """Renew the lease, and hold the lock again if the session was lost. False: others have taken this
        process for dead; what it had claimed is theirs, and it has a new id."""
        with self._lock:
            link = self._connected()
            if self._id is None and not self._is_lost:
                if self._serves:
                    self._enter()
                return True
            before = self._database.clock.steady()
            if self._is_lost or link.row(self._database.sql.RENEW, (LEASE, self._id)) is None:
                if not self._is_lost:
                    logger.error("this process was taken for dead by others, which have taken its tasks over")
                # Should it fail now to get a new name, the next time goes on from here.
                self._is_lost = True
                self._enter()
                self._is_lost = False
                return False
            self._certain_until = before + _CERTAIN
            if not self._is_told:
                link.rows(self._database.sql.SAY, (msgspec.json.encode(self._about), self._id))
                self._is_told = True
            return True

    def leave(self) -> None:
        """This process runs no more tasks."""
        with self._lock:
            if self._id is None:
                return
            try:
                self._connected().rows(self._database.sql.LEAVE, (self._id,))
            except (psycopg.Error, OSError):
                logger.warning("the task store could not be told that this process ends")
            self._id = None
            self._database.links.close(self._link)

    def _enter(self) -> None:
        link = self._connected()
        self._id = None
        number = _any_lock() if self._database.has_locks else _NO_LOCK
        incarnation = secrets.token_hex(12)
        self._about = msgspec.structs.replace(self._about, id=incarnation)
        sql = self._database.sql
        if self._database.has_locks:
            link.rows(sql.TRY_LOCK, (self._database.locks, number))
        before = self._database.clock.steady()
        row = link.row(sql.NOW)
        now = 0.0 if row is None else row[0]
        link.rows(sql.ENTER, (incarnation, number, now + LEASE, msgspec.json.encode(self._about)))
        self._id, self._number, self._is_told = incarnation, number, True
        self._certain_until = before + _CERTAIN

    def _hold_again(self, link: Link) -> None:
        """In a new session. The server may not notice for hours that the former one has ended, and holds its
        lock for as long: then another one is taken."""
        sql = self._database.sql
        while link.row(sql.TRY_LOCK, (self._database.locks, self._number)) != (True,):
            self._number = _any_lock()
        link.rows(sql.HOLD, (self._number, self._id))

    def _connected(self) -> Link:
        if self._link is None or self._link.closed:
            self._database.links.close(self._link)
            link = self._database.connect("worker", 0.0)
            self._link = link
            if self._database.has_locks:
                link.rows(self._database.sql.LISTEN)
            if self._id is not None and self._database.has_locks:
                self._hold_again(link)
        return self._link


def _any_lock() -> int:
    return random.randrange(1, 2**31)
