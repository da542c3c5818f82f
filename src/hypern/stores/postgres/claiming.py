"""Claim: which waiting tasks this process takes."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from hypern.records import Lane
from hypern.stores.durable.claims import Row
from hypern.stores.durable.rows import lane_number
from hypern.stores.postgres.arrays import numbers
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link

# A search that takes longer than this (seconds, and seconds a task found) goes over rows that have been taken
# long ago and cannot be cleaned up, for some transaction elsewhere is as old as they are.
_SLOW, _SLOW_EACH = 0.015, 0.00006
# Then tasks are looked for where the last ones were found, and from the beginning only every so often: after
# so many seconds, and so many times as long as such a search takes.
_ALL_EVERY, _ALL_SHARE = 1.0, 20.0
_LOWEST = float("-inf")


class Claiming:
    """The claims of one process. `held`: the numbers of the tasks that it has claimed and that have not
    ended, with their fences."""

    def __init__(self, database: Database) -> None:
        self.held: dict[int, int] = {}
        self._database = database
        # A statement that may have claimed some was not answered.
        self._has_strays = False
        # Of each lane: from which rank on to look, and until when that will do.
        self._floors: dict[Lane, tuple[float, float]] = {}

    def look_everywhere(self) -> None:
        """There may be tasks whose turn comes before that of those which were found last."""
        self._floors.clear()

    def claim(
        self,
        link: Link,
        owner: str,
        lane: Lane,
        wanted: int,
        started_at: float,
        queues: Collection[str] | None,
        unknown: Collection[str],
    ) -> list[Row]:
        """Take up to `wanted` tasks of a lane, in the order in which they should start. `started_at`: on the
        server's clock."""
        database = self._database
        sql = database.sql
        if self._has_strays:
            link.rows(sql.TAKE_STRAYS_BACK, (owner, numbers(self.held)))
            self._has_strays = False
        # Coroutines start as soon as they are claimed. Of the tasks for threads the first does.
        marked = wanted if lane is Lane.LOOP else 1
        named = None if queues is None else sorted(queues)
        known = (sorted(unknown),) if unknown else ()
        rest = (named, named, wanted, owner, started_at, marked, marked)
        begin = time.monotonic()
        floor, until = self._floors.get(lane, (_LOWEST, 0.0))
        if begin >= until:
            floor = _LOWEST
        parameters: tuple[Any, ...] = (lane_number(lane), floor, *known, wanted, *rest)
        try:
            if database.has_limits:
                statement = sql.CLAIM_LIMITED_KNOWN if unknown else sql.CLAIM_LIMITED
                _, rows = link.all_rows((sql.LOCK_LIMITED, ()), (statement, parameters))
            else:
                rows = link.rows(sql.CLAIM_KNOWN if unknown else sql.CLAIM, parameters)
        except BaseException:
            self._has_strays = True
            raise
        # The server does not say them in the order in which it took them.
        rows.sort()
        self._found(lane, floor, until, [row[1] for row in rows], time.monotonic() - begin)
        return [self._taken(row[2:]) for row in rows]

    def _found(self, lane: Lane, floor: float, until: float, ranks: list[float], seconds: float) -> None:
        """Decide from where to look the next time."""
        if floor == _LOWEST:
            if seconds <= _SLOW + _SLOW_EACH * len(ranks):
                self._floors.pop(lane, None)
                return
            until = time.monotonic() + max(_ALL_EVERY, _ALL_SHARE * seconds)
        if ranks:
            self._floors[lane] = (ranks[0], until)

    def _taken(self, row: Row) -> Row:
        self.held[row[0]] = row[13]
        due, expires_at = row[8], row[10]
        if due is None and expires_at is None:
            return row
        about = self._database.times.about
        return (
            *row[:8],
            None if due is None else about(due),
            row[9],
            None if expires_at is None else about(expires_at),
            *row[11:],
        )
