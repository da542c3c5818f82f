"""`hypern store migrate` and `hypern store check`: what they find, say, make and leave alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hypern.cli import main
from hypern.stores.findings import Finding, Verdict, in_bytes
from hypern.stores.opening import check_store


def found(url: str) -> dict[str, Finding]:
    return {finding.what: finding for finding in check_store(url)}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/tasks.db"
    assert main(["store", "migrate", url]) == 0
    return url


def test_a_sound_file(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing bad is found in one that has just been made, and each thing has a line."""
    capsys.readouterr()
    assert main(["store", "check", sqlite_url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "good integrity: ok" in lines
    assert "good tables: version 1" in lines
    assert "good tasks: 0 waiting, 0 delayed, 0 running" in lines
    assert not [line for line in lines if line.startswith("bad")]


def test_what_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check of no file is bad, ends with 1, and leaves no file behind."""
    assert main(["store", "check", f"sqlite:///{tmp_path}/none.db"]) == 1
    assert "bad  file: there is no file" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file(sqlite_url: str, tmp_path: Path) -> None:
    """Bytes that are not SQLite's are found, and the file is as it was."""
    path = tmp_path / "tasks.db"
    data = bytearray(path.read_bytes())
    data[4096 : 3 * 4096] = b"\xff" * 2 * 4096
    path.write_bytes(data)
    before = path.read_bytes()
    verdicts = {finding.verdict for finding in check_store(sqlite_url)}
    assert Verdict.BAD in verdicts
    assert path.read_bytes() == before


def test_another_program_s_file(tmp_path: Path) -> None:
    """A database without our tables is told apart from one with them."""
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    connection.close()
    tables = found(f"sqlite:///{tmp_path}/other.db")["tables"]
    assert (tables.verdict, tables.found) == (Verdict.BAD, "there are none of Hypern's")


def test_a_newer_file(sqlite_url: str, tmp_path: Path) -> None:
    """Tables of a version that this Hypern does not know."""
    with sqlite3.connect(tmp_path / "tasks.db") as connection:
        connection.execute("UPDATE hypern_meta SET value = 99 WHERE key = 'version'")
    connection.close()
    assert found(sqlite_url)["tables"].verdict is Verdict.BAD


def test_what_deserves_care(sqlite_url: str) -> None:
    """A setting that may lose the last tasks is named."""
    assert found(f"{sqlite_url}?synchronous=normal")["synchronous"].verdict is Verdict.CARE


def test_memory_has_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, with the status for what cannot work."""
    assert main(["store", "check", "memory://"]) == 2
    assert main(["store", "migrate", "memory://"]) == 2
    assert "keeps nothing" in capsys.readouterr().err


def test_bytes_as_people_say_them() -> None:
    """In units of a thousand."""
    assert [in_bytes(n) for n in (12, 1_234, 5_600_000, 7e12)] == [
        "12 bytes",
        "1.2 kB",
        "5.6 MB",
        "7,000.0 GB",
    ]
