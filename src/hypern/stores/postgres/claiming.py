"""Claim: which waiting tasks this process takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from hypern.records import Lane
from hypern.stores.durable.claims import Row
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import lane_number
from hypern.stores.postgres import damaged
from hypern.stores.postgres.arrays import numbers
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.reach import Place, Reach

# A search that takes longer than this (seconds, and seconds a task found) goes over rows that have been taken
# long ago and cannot be cleaned up, for some transaction elsewhere is as old as they are.
_SLOW, _SLOW_EACH = 0.015, 0.00006
# Then tasks are looked for where the last ones were found, and from the beginning only every so often: after
# so many seconds, and so many times as long as such a search takes.
_ALL_EVERY, _ALL_SHARE = 1.0, 20.0
# Where none is found so, one that takes no longer than this (seconds) is worth it at once.
_BEARABLE = 0.1
_LOWEST = float("-inf")


@dataclass(slots=True)
class _Floor:
    """From which rank on to look, until when that will do, and how long it took to look everywhere."""

    rank: float
    until: float
    seconds: float


class Claiming:
    """The claims of one process. `held`: the numbers of the tasks that it has claimed and that have not
    ended, with their fences."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self.held: dict[int, int] = {}
        self._database = database
        self._keeping = keeping
        # A statement that may have claimed some was not answered.
        self._has_strays = False
        self._floors: dict[Lane, _Floor] = {}
        self._reaches = {lane: Reach() for lane in Lane}

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
        while True:
            try:
                self._take_strays_back(link, owner)
                return self._claim(link, owner, lane, wanted, started_at, queues, unknown)
            except BaseException as error:
                self._has_strays = True
                if not damaged.may_be_of_a_row(error, link):
                    raise
                self._take_strays_back(link, owner)
                where = (self._database, self._keeping, lane, queues, unknown, started_at)
                if not damaged.fail_those(link, *where):
                    raise

    def _take_strays_back(self, link: Link, owner: str) -> None:
        if self._has_strays:
            link.rows(self._database.sql.TAKE_STRAYS_BACK, (owner, numbers(self.held)))
            self._has_strays = False

    def _claim(
        self,
        link: Link,
        owner: str,
        lane: Lane,
        wanted: int,
        started_at: float,
        queues: Collection[str] | None,
        unknown: Collection[str],
    ) -> list[Row]:
        database = self._database
        sql = database.sql
        # Coroutines start as soon as they are claimed. Of the tasks for threads the first does.
        marked = wanted if lane is Lane.LOOP else 1
        named = None if queues is None else sorted(queues)
        known = (sorted(unknown),) if unknown else ()

        def search(begin: float, end: Place, most: int, at_once: int) -> list[Row]:
            where = (lane_number(lane), begin, *end, *known, most, named, named, most)
            parameters = (*where, owner, started_at, at_once, at_once)
            if database.has_limits:
                statement = sql.CLAIM_LIMITED_KNOWN if unknown else sql.CLAIM_LIMITED
                _, rows = link.all_rows((sql.LOCK_LIMITED, ()), (statement, parameters))
            else:
                rows = link.rows(sql.CLAIM_KNOWN if unknown else sql.CLAIM, parameters)
            # By their number: the server does not say them in the order in which it took them.
            return sorted(rows)

        reach = self._reaches[lane]
        rows = self._search(lane, lambda begin: reach.find(search, begin, wanted, marked))
        return [self._taken(row[3:]) for row in rows]

    def _search(self, lane: Lane, search: Callable[[float], list[Row]]) -> list[Row]:
        """What is found from the floor of this lane on, or from the beginning, by rank."""
        floor = self._floors.get(lane)
        if floor is not None and time.monotonic() < floor.until:
            rows = search(floor.rank)
            if rows:
                floor.rank = rows[0][1]
            if rows or floor.seconds > _BEARABLE:
                return rows
        begin = time.monotonic()
        rows = search(_LOWEST)
        now = time.monotonic()
        seconds = now - begin
        rank = rows[0][1] if rows else None if floor is None else floor.rank
        if rank is None or seconds <= _SLOW + _SLOW_EACH * len(rows):
            self._floors.pop(lane, None)
        else:
            self._floors[lane] = _Floor(rank, now + max(_ALL_EVERY, _ALL_SHARE * seconds), seconds)
        return rows

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
