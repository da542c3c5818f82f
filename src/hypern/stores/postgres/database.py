"""The database: finding it, its tables, connections for reading, and going on after it was away."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg

from hypern.clock import Clock
from hypern.errors import QueueUnavailable
from hypern.stores.postgres import schema
from hypern.stores.postgres.address import Address
from hypern.stores.postgres.forks import Links
from hypern.stores.postgres.link import Link, connect
from hypern.stores.postgres.statements import Statements
from hypern.stores.postgres.times import Times
from hypern.stores.postgres.trouble import Kind, kind, unavailable, unusable

T = TypeVar("T")

# Who comes so soon (seconds) after nobody could connect does not try for long.
_STILL_AWAY = 1.0
# The first pause before connecting again, and the longest (seconds); each a little different, lest all
# processes come at once when a server is back.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
# So many connections for reading are kept open, and so many at most are opened.
_READERS = 4


class Database:
    """`sql`: the statements for its schema. `times`: what is known of the server's clock.

    Raises StoreUnusable.
    """

    def __init__(self, address: Address, clock: Clock, times: Times) -> None:
        self.address = address
        self.sql = Statements(address.schema)
        self.locks = schema.lock_class(address.schema)
        self.clock = clock
        self.times = times
        self.links = Links()
        # What adds calls of a task, by what is the same for all of them.
        self.plain: dict[tuple[Any, ...], str] = {}
        self._free: deque[Link] = deque()
        self._readers = threading.BoundedSemaphore(_READERS)
        self._away_at = -_STILL_AWAY
        self._is_closed = False
        # Whether each connection is a session of its own, so that what it locks stays locked.
        self.has_locks = False
        try:
            link = self._open("check")
        except psycopg.Error as error:
            raise unusable(address, error) from error
        try:
            self.has_locks = self._has_sessions(link)
            if self.has_locks:
                link.own_session()
            self.identity = schema.prepare(link, address)
            self.has_limits = bool((link.row(self.sql.HAS_LIMITS) or (False,))[0])
            for _ in range(3):
                self.look_at_clock(link)
        except psycopg.Error as error:
            self.links.close(link)
            raise unusable(address, error) from error
        except BaseException:
            self.links.close(link)
            raise
        self._free.append(link)

    # -- connections -------------------------------------------------------------------------------

    def connect(self, name: str, patience: float | None = None) -> Link:
        """A new connection, tried for so many seconds. Raises QueueUnavailable."""
        if patience is None:
            patience = self.address.patience
        now = time.monotonic()
        deadline = now if now < self._away_at + _STILL_AWAY else now + patience
        pause = _FIRST_PAUSE
        while True:
            if self.links.is_inherited or self._is_closed:
                raise QueueUnavailable(f"the task store {self.address.shown} has been closed here.")
            try:
                return self._open(name)
            except psycopg.Error as error:
                wait = pause * random.uniform(0.5, 1.5)
                if time.monotonic() + wait > deadline:
                    self._away_at = time.monotonic()
                    raise unavailable(self.address, error) from error
                time.sleep(wait)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self, name: str) -> Link:
        link = connect(self.address, name)
        self.links.add(link)
        if self.has_locks:
            link.own_session()
        return link

    def look_at_clock(self, link: Link) -> None:
        """Ask the server what o'clock it is."""
        before = self.clock.steady()
        row = link.row(self.sql.NOW)
        if row is not None:
            self.times.learn(before, row[0], self.clock.steady())

    def _has_sessions(self, link: Link) -> bool:
        """Not so behind a pool that lends its sessions out for a transaction each, nor where a lock that one
        session holds is not held against another."""
        number = random.randrange(2**31)
        other = self._open("check")
        try:
            asked = "SELECT pg_backend_pid()"
            mine = link.row(asked)
            idle = other.row(asked)
            with other.together():
                busy = other.row(asked)
                again = link.row(asked)
            first = link.row(self.sql.TRY_LOCK, (self.locks, number))
            second = other.row(self.sql.TRY_LOCK, (self.locks, number))
            link.rows("SELECT pg_advisory_unlock(%b, %b)", (self.locks, number))
        except psycopg.DatabaseError:
            if link.closed or other.closed:
                raise
            return False
        finally:
            self.links.close(other)
        return mine == again and idle == busy and mine != idle and (first, second) == ((True,), (False,))

    # -- reading -----------------------------------------------------------------------------------

    def read(self, work: Callable[[Link], T]) -> T:
        """What `work` finds with a connection; it is done again when the connection proves to be gone.

        Raises QueueUnavailable.
        """
        deadline = time.monotonic() + self.address.patience
        with self._reader():
            while True:
                link = self._free.pop() if self._free else None
                if link is None or link.closed:
                    link = self.connect("reader", max(0.0, deadline - time.monotonic()))
                try:
                    found = work(link)
                except psycopg.Error as error:
                    trouble = kind(error, link.closed)
                    self.links.close(link)
                    if trouble in (Kind.REFUSED, Kind.WRONG) or time.monotonic() > deadline:
                        raise unavailable(self.address, error) from error
                    continue
                except BaseException:
                    self.links.close(link)
                    raise
                if self._is_closed:
                    self.links.close(link)
                else:
                    self._free.append(link)
                return found

    @contextlib.contextmanager
    def _reader(self) -> Iterator[None]:
        if not self._readers.acquire(timeout=self.address.patience):
            raise QueueUnavailable(
                f"the task store {self.address.shown} cannot be used now: {_READERS} others of this process "
                f"have been reading for {self.address.patience:g} s."
            )
        try:
            yield
        finally:
            self._readers.release()

    def close(self) -> None:
        self._is_closed = True
        self.links.close_all()
