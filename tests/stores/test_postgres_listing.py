"""Listing from a PostgreSQL store looks at no more rows than are meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from tests.stores.postgres_help import ask

from hypern.records import TaskStatus
from hypern.stores.conformance.suite import make_record
from hypern.stores.overview import Filter
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.overview import ids
from hypern.stores.postgres.store import PostgresStore

_TASKS, _SHOWN = 200, 8


class Explained:
    """A link that has the server count the rows that each step of a statement goes through."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(parse(url).url, autocommit=True)
        self.most = 0

    def rows(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        plan = self._connection.execute(explain, parameters).fetchall()[0][0]  # type: ignore[arg-type]
        self.most = max(_numbers(plan if isinstance(plan, list) else json.loads(plan)))
        return self._connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()


def _numbers(plan: Any) -> Iterator[float]:
    if isinstance(plan, list):
        for part in plan:
            yield from _numbers(part)
    elif isinstance(plan, dict):
        yield plan.get("Actual Rows", 0)
        for part in plan.values():
            yield from _numbers(part)


@pytest.mark.parametrize("statuses", [(TaskStatus.FAILED,), (TaskStatus.FAILED, TaskStatus.CANCELLED), None])
def test_a_page_by_state(postgres_url: str, statuses: tuple[TaskStatus, ...] | None) -> None:
    """The newest few of very many failed tasks are found by looking at these few, page after page."""
    with closing(PostgresStore(parse(postgres_url))) as store, closing(Explained(postgres_url)) as link:
        store.add_many([make_record(f"task:{number}") for number in range(_TASKS)])
        ask(postgres_url, "UPDATE {s}.tasks SET state = 4")
        ask(postgres_url, "ANALYZE {s}.tasks")
        after, seen = None, []
        while not seen or after is not None:
            page = ids(link, store._database, Filter(statuses), after, _SHOWN)  # type: ignore[arg-type]
            assert link.most <= 2 * _SHOWN
            after = page.after
            seen += page.ids
        assert seen == [f"task:{number}" for number in reversed(range(_TASKS))]
