"""Watch: what this process does every few milliseconds because others work on the same file."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable

from hypern.errors import QueueUnavailable
from hypern.records import Lane
from hypern.stores.sqlite import looking
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.checkpoints import Checkpoints
from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.hands import Hands
from hypern.stores.sqlite.neighbours import Neighbours
from hypern.stores.sqlite.readers import Readers
from hypern.stores.sqlite.trouble import describe
from hypern.stores.sqlite.writer import Writer

logger = logging.getLogger("hypern.tasks")

# How often to look what others have written, and how often for the dead and for trouble (seconds).
LOOK_EVERY = 0.004
_CARE_EVERY = 0.5
# Functions that are not known here are looked for again, less and less often (seconds).
_LONGEST_SEARCH = 60.0


class Watch:
    """Used by one thread."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        readers: Readers,
        hands: Hands,
        neighbours: Neighbours,
        checkpoints: Checkpoints,
        rescue: Callable[[float, float], int],
    ) -> None:
        self._database = database
        self._writer = writer
        self._readers = readers
        self._hands = hands
        self._neighbours = neighbours
        self._checkpoints = checkpoints
        self._rescue = rescue
        self._connection: sqlite3.Connection | None = None
        self._seen = -1
        self._next_care = 0.0
        self._in_trouble = False
        self._next_search = 0.0
        self._search_after = _CARE_EVERY

    def look(self, steady: float, wall: float) -> float:
        """One turn. When the next one is due."""
        try:
            if self._writer.has_waiting():
                self._writer.ring()
            if self._has_changed():
                self._see()
            self._hands.let_go_of_stale()
            self._checkpoints.look()
            if steady >= self._next_care:
                self._next_care = steady + _CARE_EVERY
                self._care(steady, wall)
        except (sqlite3.Error, QueueUnavailable) as error:
            return self._complain(error, steady)
        self._in_trouble = False
        return steady + LOOK_EVERY

    def connection(self) -> sqlite3.Connection | None:
        return self._connection

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()

    def _has_changed(self) -> bool:
        """Whether anything was committed through another connection since the last look."""
        if self._connection is None:
            self._connection = self._database.reader()
        (version,) = self._connection.execute(sql.DATA_VERSION).fetchone()
        changed = bool(version != self._seen)
        self._seen = version
        return changed

    def _see(self) -> None:
        connection, hands = self._connection, self._hands
        listener = hands.listener
        if connection is None or listener is None:
            return
        ready = []
        for lane in Lane:
            reserve = hands.reserve(lane)
            if not reserve.may_have_more and hands.finds_ready(connection, lane):
                reserve.may_have_more = True
                ready.append(lane)
        if ready:
            listener.on_ready(ready)
        due = looking.next_due(connection)
        if due is not None:
            listener.on_due(due)
        owner = self._neighbours.incarnation()
        if owner is not None and hands.has_claims():
            asked = [task_id for (task_id,) in connection.execute(sql.CANCEL_REQUESTS, (owner,))]
            running = hands.cancel_requested(asked)
            if running:
                listener.on_cancel_requested(running)

    def _care(self, steady: float, wall: float) -> None:
        self._database.check_identity()
        if not self._neighbours.is_intact():
            logger.error(
                "a task has closed the files of its process; others may take its tasks over. Restart it."
            )
        self._rescue(steady, wall)
        if steady >= self._next_search and self._hands.forget_unknown():
            self._search_after = min(self._search_after * 2, _LONGEST_SEARCH)
            self._next_search = steady + self._search_after
        if self._in_trouble:
            # Whoever claimed meanwhile was told that there is nothing.
            self._hands.look_again()

    def _complain(self, error: Exception, steady: float) -> float:
        if not self._in_trouble:
            said = describe(error) if isinstance(error, sqlite3.Error) else str(error)
            logger.error("the task store is in trouble, and is tried again until it is not: %s", said)
        self._in_trouble = True
        return steady + _CARE_EVERY
