"""Watch: what this process does every few milliseconds because others work on the same file."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable

from hypern.errors import QueueUnavailable
from hypern.records import Lane
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.stragglers import Stragglers
from hypern.stores.durable.writer import Writer
from hypern.stores.sqlite import looking
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.neighbours import Neighbours
from hypern.stores.sqlite.readers import Readers
from hypern.stores.sqlite.trouble import describe
from hypern.stores.sqlite.waking import Waking

logger = logging.getLogger("hypern.tasks")

# How often to look what others have written (seconds); less often where a look takes long, as the threads of
# the tasks want the interpreter for themselves: this many times as long, and so long at most.
LOOK_EVERY = 0.004
_LOOK_SHARE, _LOOK_AT_LEAST_EVERY = 20.0, 0.02
# So long one turn listens for the kernel's word; the end of an engine waits for it. So often, and so long, it
# is looked for what that word meant.
_LISTEN = 0.1
_LOOK_AGAIN = 0.0005
_EXPECT = 0.05
# How often to look for the dead and for trouble.
_CARE_EVERY = 0.5
# A log of so many bytes is not normal; it is said this often (seconds).
_ALARM = 512 * 1024 * 1024
_ALARM_EVERY = 60.0
# A step of the wall clock that is worth keeping (seconds).
_STEP = 0.5
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
        rescue: Callable[[float, float], int],
    ) -> None:
        self._database = database
        self._writer = writer
        self._stragglers = Stragglers(writer)
        self._readers = readers
        self._hands = hands
        self._neighbours = neighbours
        self._rescue = rescue
        self._connection: sqlite3.Connection | None = None
        self._seen = -1
        self._next_care = 0.0
        self._in_trouble = False
        # Nothing was going on here at the last look.
        self._is_quiet = False
        self._log = f"{database.address.path}-wal"
        self._waking = Waking(self._log)
        self._next_alarm = 0.0
        self._expected_until = 0.0
        self._next_search = 0.0
        self._search_after = _CARE_EVERY

    def look(self, steady: float, wall: float) -> float:
        """One turn. When the next one is due."""
        begin = time.monotonic()
        try:
            with self._database.connections.gate:
                changed = self._has_changed()
            if changed:
                self._see()
                self._is_quiet = False
            if not self._is_quiet:
                self._follow_up()
            if steady >= self._next_care:
                self._next_care = steady + _CARE_EVERY
                self._care(steady, wall)
        except (sqlite3.Error, QueueUnavailable) as error:
            return self._complain(error, steady)
        self._in_trouble = False
        return self._next_turn(steady, changed, time.monotonic() - begin)

    def _next_turn(self, steady: float, changed: bool, spent: float) -> float:
        """While nothing goes on here, wait for the kernel's word; after it, look until its cause is seen."""
        if not (self._is_quiet and self._waking.is_available):
            return steady + spent + max(LOOK_EVERY, min(_LOOK_SHARE * spent, _LOOK_AT_LEAST_EVERY))
        if not changed and steady < self._expected_until:
            return steady + _LOOK_AGAIN
        self._expected_until = 0.0
        if self._waking.wait(_LISTEN):
            self._expected_until = steady + _LISTEN + _EXPECT
        return steady

    def _follow_up(self) -> None:
        """What is only to be done while something goes on."""
        is_all_written = self._stragglers.look()
        self._hands.let_go_of_stale()
        # A task that is being taken may say something before anything else is written to the file.
        self._is_quiet = is_all_written and self._hands.are_empty()

    def close(self) -> None:
        self._waking.close()
        self._database.connections.close(self._connection)

    def _has_changed(self) -> bool:
        """Whether anything was committed through another connection since the last look."""
        if self._connection is None:
            self._connection = self._database.reader()
        (version,) = self._connection.execute(sql.DATA_VERSION).fetchone()
        changed = bool(version != self._seen)
        self._seen = version
        return changed

    def _see(self) -> None:
        """Tell what others have done, as far as it concerns this process."""
        hands, listener = self._hands, self._hands.listener
        if listener is None:
            return
        ready = []
        asked: list[str] = []
        owner = self._neighbours.incarnation()
        with self._readers.reading() as connection:
            for lane in Lane:
                if not hands.reserve(lane).may_have_more and looking.finds_ready(connection, hands, lane):
                    ready.append(lane)
            due = looking.next_due(connection)
            if owner is not None and hands.has_claims():
                asked = [task_id for (task_id,) in connection.execute(sql.CANCEL_REQUESTS, (owner,))]
        for lane in ready:
            hands.reserve(lane).may_have_more = True
        if ready:
            listener.on_ready(ready)
        if due is not None:
            listener.on_due(due)
        running = hands.cancel_requested(asked)
        if running:
            listener.on_cancel_requested(running)

    def _care(self, steady: float, wall: float) -> None:
        self._database.check_identity()
        self._follow_clock(steady, wall)
        self._waking.renew()
        self._look_at_log(steady)
        if not self._neighbours.is_intact():
            logger.error(
                "a task has closed the files of its process; others may take its tasks over. Restart it."
            )
        self._rescue(steady, wall)
        if steady >= self._next_search and self._hands.forget_unknown():
            self._search_after = min(self._search_after * 2, _LONGEST_SEARCH)
            self._next_search = steady + self._search_after
        if self._in_trouble or self._hands.missed:
            # Whoever claimed meanwhile was told that there is nothing.
            self._hands.look_again()

    def _follow_clock(self, steady: float, wall: float) -> None:
        """Where the wall clock has stepped, keep by how much: due times go over a reboot by it."""
        offset = wall - steady
        if abs(offset - self._database.offset) > _STEP:
            self._database.offset = offset
            self._writer.run(lambda transaction: transaction.execute(sql.SET_META, ("offset", offset)))

    def _look_at_log(self, steady: float) -> None:
        if steady < self._next_alarm:
            return
        with contextlib.suppress(OSError):
            size = os.stat(self._log).st_size
            if size > _ALARM:
                self._next_alarm = steady + _ALARM_EVERY
                logger.warning(
                    "the log %s has grown to %d MB; some program keeps reading an old state of it: see what "
                    "has the database open",
                    self._log, size // 2**20,
                )  # fmt: skip

    def _complain(self, error: Exception, steady: float) -> float:
        if not self._in_trouble:
            said = describe(error) if isinstance(error, sqlite3.Error) else str(error)
            logger.error("the task store is in trouble, and is tried again until it is not: %s", said)
        self._in_trouble = True
        return steady + _CARE_EVERY
