"""`hypern doctor` and `hypern routes`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Filled, Said
from tests.processes.running import write

from hypern.config import STORE_VARIABLE

Hypern = Callable[..., Said]


def findings(said: Said) -> list[tuple[str, str]]:
    """Verdict and what it is about, of each line."""
    return [(line[:5].strip(), line[5:].partition(": ")[0]) for line in said.out.splitlines()]


# Servers that are there for tests only have these switched off, which is nothing to rely on.
_OF_TEST_SERVERS = {"autovacuum", "fsync", "full_page_writes", "synchronous_commit"}


def test_a_store_that_is_well(hypern: Hypern, filled: Filled) -> None:
    """Versions, the store's health, that nobody works, what is promised; status 0 if nothing is bad."""
    said = hypern("doctor", "--store", filled.url)
    found = findings(said)
    troubles = {what for verdict, what in found if verdict == "bad"}
    assert troubles <= _OF_TEST_SERVERS
    assert said.status == bool(troubles)
    assert {("good", "Hypern"), ("good", "Python"), ("good", "tables")} <= set(found)
    if not troubles:
        assert {("care", "workers"), ("note", "promise")} <= set(found)
        assert "queue: mail is paused: 1 task waits in it" in said.out


def test_for_programs(hypern: Hypern, filled: Filled) -> None:
    """The same findings as data."""
    plain = findings(hypern("doctor", "--store", filled.url))
    data = hypern("doctor", "--store", filled.url, "--json").data["findings"]
    assert [(finding["verdict"], finding["what"]) for finding in data] == plain
    assert set(data[0]) == {"verdict", "what", "found", "advice"}


def test_no_store(hypern: Hypern, tmp_path: Path) -> None:
    """A file that is not there is bad, and is not made."""
    said = hypern("doctor", "--store", f"sqlite:///{tmp_path}/none.db")
    assert (said.status, list(tmp_path.iterdir())) == (1, [])
    assert ("bad", "file") in findings(said)


def test_memory(hypern: Hypern, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what that means."""
    monkeypatch.setenv(STORE_VARIABLE, "memory://")
    said = hypern("doctor")
    assert said.status == 0
    assert "end with it" in said.out


def test_no_password_is_shown(hypern: Hypern) -> None:
    """Not even of a server that does not answer."""
    said = hypern("doctor", "--store", "postgresql://ann:geheim@127.0.0.1:1/none")
    assert said.status == 1
    assert "geheim" not in said.out + said.err


APP = '''
    from hypern import Hypern
    app = Hypern(task_store="sqlite:///app.db", task_grace_seconds=7)

    @app.get("/tasks/:id")
    def show_task(req, res, ctx):
        """Show one.

        And more."""

    @app.post("/tasks")
    async def create_task(req, res, ctx): ...
'''


def test_the_settings_of_an_app(tmp_path: Path) -> None:
    """They are listed."""
    write(tmp_path, "app.py", APP)
    ran = _hypern(tmp_path, "doctor", "--app", "app:app")
    assert ran.returncode == 0, ran.stderr
    assert "good task_store: sqlite:///app.db" in ran.stdout
    assert "good task_grace_seconds: 7" in ran.stdout


def test_routes(tmp_path: Path) -> None:
    """In the order of registration, with the first line of what the handlers say of themselves."""
    write(tmp_path, "app.py", APP)
    ran = _hypern(tmp_path, "routes", "app")
    assert [line.split() for line in ran.stdout.splitlines()[1:]] == [
        ["GET", "/tasks/:id", "show_task", "Show", "one."],
        ["POST", "/tasks", "create_task"],
    ]
    assert '"handler": "create_task"' in _hypern(tmp_path, "routes", "app", "--json").stdout
    assert _hypern(tmp_path, "routes", "nothing").returncode == 2


def _hypern(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hypern", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
