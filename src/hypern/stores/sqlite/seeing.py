"""The verbs of the store that show its tasks to people and to what watches it."""

from __future__ import annotations

from hypern.stores.durable.rows import clean, read_tally
from hypern.stores.durable.store import DurableStore
from hypern.stores.overview import Filter, Ids, LogLine, QueueTotals, Vitals
from hypern.stores.pulse import Beat, Sums
from hypern.stores.sqlite import beats, overview
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.readers import Readers


class Seeing(DurableStore):
    _readers: Readers

    def __init__(self) -> None:
        self._sums = Sums(read_tally)

    def ids(self, which: Filter, after: str | None = None, limit: int = 50) -> Ids:
        with self._readers.reading() as connection:
            return overview.ids(connection, which, after, limit)

    def totals(self) -> list[QueueTotals]:
        with self._readers.reading() as connection:
            return overview.totals(connection)

    def pulse(self, since: float, name: str | None = None) -> list[Beat]:
        with self._readers.reading() as connection:
            return beats.since(connection, since, name)

    def vitals(self) -> Vitals:
        with self._readers.reading() as connection:
            return Vitals(self._sums.of(connection.execute(sql.EVER)), overview.heads(connection))

    def logs(self, task_id: str) -> list[LogLine]:
        with self._readers.reading() as connection:
            return overview.logs(connection, clean(task_id))
