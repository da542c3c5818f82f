"""Claim: which waiting tasks this process takes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypern.records import Lane
from hypern.stores.durable.claims import Row
from hypern.stores.durable.rows import lane_number
from hypern.stores.postgres.arrays import numbers
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link


class Claiming:
    """The claims of one process. `held`: the numbers of the tasks that it has claimed and that have not
    ended, with their fences."""

    def __init__(self, database: Database) -> None:
        self.held: dict[int, int] = {}
        self._database = database
        # A statement that may have claimed some was not answered.
        self._has_strays = False

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
        parameters: tuple[Any, ...] = (lane_number(lane), *known, wanted, *rest)
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
        return [self._taken(row) for row in rows]

    def _taken(self, row: tuple[Any, ...]) -> Row:
        self.held[row[1]] = row[14]
        due, expires_at = row[9], row[11]
        if due is None and expires_at is None:
            return row[1:]
        about = self._database.times.about
        return (
            *row[1:9],
            None if due is None else about(due),
            row[10],
            None if expires_at is None else about(expires_at),
            *row[12:],
        )
