"""This process among the others that work on the same file: its sign of life, and the dead ones' tasks."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection

import msgspec

from hypern.errors import QueueUnavailable
from hypern.stores.base import WorkerState
from hypern.stores.durable.crashing import crash_point
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.writer import Writer
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.liveness import Presence, found_dead, living
from hypern.stores.sqlite.readers import Readers
from hypern.stores.sqlite.rescue import rescue_from
from hypern.stores.sqlite.transaction import Transaction

logger = logging.getLogger("hypern.tasks")

# So many tasks that are not known here are named.
_NAMED = 50


class Neighbours:
    def __init__(self, address: Address) -> None:
        self._directory = address.workers
        self._about = WorkerState("", os.getpid(), socket.gethostname(), time.time(), None, 1)
        self._lock = threading.Lock()
        self._presence: Presence | None = None

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        """Give a sign of life, and say to those who ask who works here what this process does."""
        self._about = msgspec.structs.replace(self._about, workers=workers, queues=queues)
        self.presence().say(self._about)

    def does_not_know(self, tasks: Collection[str]) -> None:
        """Say that this process does not find the functions of these tasks."""
        self._about = msgspec.structs.replace(self._about, unknown=tuple(sorted(tasks)[:_NAMED]))
        try:
            self.presence().say(self._about)
        except OSError as error:
            logger.error("what this process does not know cannot be said to others: %s", error)

    def presence(self) -> Presence:
        """This process's sign of life, given before it claims its first task. Raises QueueUnavailable."""
        presence = self._presence
        if presence is None:
            with self._lock:
                if self._presence is None:
                    incarnation = secrets.token_hex(12)
                    self._about = msgspec.structs.replace(self._about, id=incarnation)
                    try:
                        self._presence = Presence(self._directory, incarnation, self._about)
                    except OSError as error:
                        raise QueueUnavailable(
                            f"{self._directory}, where processes that run tasks give a sign of life, cannot "
                            f"be written to: {error.strerror}. Make room in it, or make it writable."
                        ) from error
                presence = self._presence
        return presence

    def stopped(self, slot: int) -> None:
        """A task that was started runs no more."""
        if self._presence is not None:
            self._presence.end(slot)

    def incarnation(self) -> str | None:
        """None: it has claimed nothing yet, or has left."""
        return None if self._presence is None else self._presence.incarnation

    def rescue(self, readers: Readers, writer: Writer, wall: float, keeping: Keeping) -> int:
        """Take back what dead processes had claimed. How many tasks."""
        with readers.reading() as connection:
            owners = [owner for (owner,) in connection.execute(sql.OWNERS).fetchall()]
        rescued = 0
        for owner in owners:
            if owner == self.incarnation():
                continue
            with found_dead(self._directory, owner) as started:
                if started is None:
                    continue

                def work(
                    transaction: Transaction, owner: str = owner, started: Collection[int] = started
                ) -> int:
                    return rescue_from(transaction, owner, started, wall, keeping)

                number: int = writer.run(work)
                crash_point("rescued")
            if number:
                logger.warning("a process that ran tasks has died; %d of its tasks were taken back", number)
            rescued += number
        return rescued

    def living(self) -> list[WorkerState]:
        """Who runs tasks of this file now."""
        return living(self._directory, None if self._presence is None else self._about)

    def is_intact(self) -> bool:
        return self._presence is None or self._presence.is_intact()

    def leave(self) -> None:
        presence, self._presence = self._presence, None
        if presence is not None:
            presence.leave()

    def leave_to_the_parent(self) -> None:
        if self._presence is not None:
            self._presence.leave_to_the_parent()
