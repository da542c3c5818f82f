"""The verbs of the store that show its tasks to people and to what watches it."""

from __future__ import annotations

from collections.abc import Collection

from hypern.stores.durable.rows import clean, read_tally
from hypern.stores.durable.store import DurableStore
from hypern.stores.overview import Filter, Ids, LogLine, Mark, QueueTotals, Vitals
from hypern.stores.postgres import beats, overview
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.times import Times
from hypern.stores.pulse import Beat, Sums


class Seeing(DurableStore):
    _database: Database
    _times: Times

    def __init__(self) -> None:
        self._sums = Sums(read_tally)

    def ids(self, which: Filter, after: str | None = None, limit: int = 50) -> Ids:
        return self._database.read(lambda link: overview.ids(link, self._database, which, after, limit))

    def marks(self, task_ids: Collection[str]) -> dict[str, Mark]:
        return self._database.read(lambda link: overview.marks(link, self._database, task_ids))

    def totals(self) -> list[QueueTotals]:
        return self._database.read(lambda link: overview.totals(link, self._database))

    def pulse(self, since: float, name: str | None = None) -> list[Beat]:
        moment = self._times.of_wall(since)
        return self._database.read(lambda link: beats.since(link, self._database, moment, name))

    def vitals(self) -> Vitals:
        def look(link: Link) -> Vitals:
            return Vitals(
                self._sums.of(link.rows(self._database.sql.EVER)), overview.heads(link, self._database)
            )

        return self._database.read(look)

    def logs(self, task_id: str) -> list[LogLine]:
        return self._database.read(lambda link: overview.logs(link, self._database, clean(task_id)))
