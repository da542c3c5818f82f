"""Listing from a SQLite store looks at few rows where few are meant."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from hypern.stores.durable.states import COMPLETED, WITH_INDEX
from hypern.stores.sqlite import statements as sql

_ROWS = 20_000
_STEPS = 100
_INSERT = """
INSERT INTO hypern_tasks (id, state, lane, queue, rank, name, func, rules, call, submitted_at, ready_at)
SELECT value, ?, 0, 'q', 0, 'n', 'm:f', x'7b7d', x'', 0, 0 FROM json_each(?)
"""


@pytest.mark.parametrize("state", WITH_INDEX)
def test_few_among_many(state: int) -> None:
    """The few tasks in a state are found without going through the many that have ended well."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(sql.SCHEMA)
        connection.execute(
            _INSERT, (state, str([f"early {number}" for number in range(3)]).replace("'", '"'))
        )
        connection.execute(_INSERT, (COMPLETED, str(list(range(_ROWS)))))
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1

        connection.set_progress_handler(look, _STEPS)
        rows = connection.execute(sql.BACKWARDS_IN[state], (2**62, 100)).fetchall()
        assert [row[1] for row in rows] == ["early 2", "early 1", "early 0"]
        assert looks * _STEPS < _ROWS / 10
