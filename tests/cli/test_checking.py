"""`hypern tasks check`: waiting tasks held against the code of today."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Said
from tests.processes.running import write

from hypern.config import STORE_VARIABLE

BEFORE = """
    import dataclasses
    from hypern import Hypern, background
    app = Hypern()

    @dataclasses.dataclass
    class Order:
        number: int

    @background()
    def bill(number, currency="EUR"): ...

    @background()
    def ship(order): ...

    @background()
    def same(): ...
"""
SUBMIT = """
    from shop import Order, app, bill, same, ship

    app.engine.pause()
    for number in range(3):
        bill.with_options(delay_seconds=60)(number, currency="SEK")
    ship(Order(1))
    same()
    app.engine.discard()
"""


def run(directory: Path, url: str, *command: str) -> Said:
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=directory,
        env={**os.environ, STORE_VARIABLE: url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def program(tmp_path: Path, url: str) -> Path:
    """A directory with a program whose tasks wait."""
    directory = tmp_path / "program"
    directory.mkdir()
    write(directory, "shop.py", BEFORE)
    write(directory, "submit.py", SUBMIT)
    assert run(directory, url, "submit.py").status == 0
    return directory


def check(directory: Path, url: str, *more: str) -> Said:
    return run(directory, url, "-m", "hypern", "tasks", "check", "shop:app", *more)


def test_the_same_code(program: Path, url: str) -> None:
    """Status 0, and how many were looked at."""
    said = check(program, url)
    assert (said.status, said.out) == (0, "5 waiting tasks checked, 0 would fail\n")


def test_changed_code(program: Path, url: str) -> None:
    """Each way to fail is one line, with an example; status 1. No task is changed by that."""
    changed = BEFORE.replace('currency="EUR"', "cents").replace("class Order", "class Purchase")
    changed = changed.replace("def same()", "def other()")
    write(program, "shop.py", changed)
    for _ in range(2):
        said = check(program, url)
        assert said.status == 1
        *lines, last = said.out.splitlines()
        assert last == "5 waiting tasks checked, 5 would fail"
        assert sorted(line.split(": ")[0] for line in lines) == [
            "1 × shop:same",
            "1 × shop:ship",
            "3 × shop:bill",
        ]
        assert "its arguments do not fit bill(number, cents)" in said.out
        assert "'Order'" in said.out
    data = json.loads(check(program, url, "--json").out)
    assert data["checked"] == 5
    assert sum(trouble["number"] for trouble in data["would_fail"]) == 5


def test_code_that_cannot_be_imported(program: Path, url: str) -> None:
    """Status 1 with the traceback of the module."""
    write(program, "shop.py", "1 / 0")
    said = check(program, url)
    assert said.status == 1
    assert "ZeroDivisionError" in said.err
