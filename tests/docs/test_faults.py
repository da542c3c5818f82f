"""The table of faults names tests that are there."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_named_test_is_there() -> None:
    """Each `file::name` of the page is a function of that file."""
    named = _TEST.findall(PAGE)
    assert named
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).exists() or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def _rows(text: str) -> list[list[str]]:
    return [line.strip("|").split(" | ") for line in text.splitlines() if re.match(r"\|[ \d,]+\|", line)]


def test_each_row_has_a_test_or_a_reason() -> None:
    """No row is left open, and no number is missing: on one machine, then with a database server."""
    general, _, server = PAGE.partition("\n## On PostgreSQL\n")
    assert [int(row[0]) for row in _rows(general)] == [*range(1, 31), *range(39, 61)]
    numbers = {int(number) for row in _rows(server) for number in re.findall(r"\d+", row[0])}
    assert set(range(31, 39)) <= numbers
    rows = _rows(general) + _rows(server)
    assert all(len(row) == 4 and all(cell.strip() for cell in row[1:]) for row in rows)
