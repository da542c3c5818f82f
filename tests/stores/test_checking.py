"""`hypern store migrate` and `hypern store check`: what they find, say, make and leave alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from tests.postgres.fixtures import PrivatePostgres

from hypern.cli import main
from hypern.stores.findings import Finding, Verdict, in_bytes
from hypern.stores.opening import check_store
from hypern.stores.sqlite import statements as sql


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
    assert f"good tables: version {sql.VERSION}" in lines
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


def test_an_older_file(sqlite_url: str, tmp_path: Path) -> None:
    """Tables that the next program which opens the store brings up to date."""
    with sqlite3.connect(tmp_path / "tasks.db") as connection:
        connection.execute("UPDATE hypern_meta SET value = 0 WHERE key = 'version'")
    connection.close()
    tables = found(sqlite_url)["tables"]
    assert (tables.verdict, "hypern store migrate" in tables.advice) == (Verdict.CARE, True)


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


@pytest.fixture
def postgres(postgres_url: str) -> str:
    assert main(["store", "migrate", postgres_url]) == 0
    return postgres_url


def test_a_sound_server(private_postgres: PrivatePostgres, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing bad is found on one as it comes, and each thing has a line."""
    assert main(["store", "migrate", private_postgres.url]) == 0
    capsys.readouterr()
    assert main(["store", "check", private_postgres.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "good synchronous_commit: on" in lines
    assert "good locks of a session: they hold" in lines
    assert "good tables: version 1 in the schema hypern" in lines
    assert "good tasks: 0 waiting, 0 delayed, 0 running, 0 worker processes" in lines
    assert any(line.startswith("good clock: that of this host within 0.0") for line in lines)


def test_a_database_without_tables_gets_none(postgres_url: str) -> None:
    """They are missed, and not made."""
    for _ in range(2):
        assert found(postgres_url)["tables"].verdict is Verdict.BAD


def test_a_server_that_loses_tasks(postgres: str) -> None:
    """A database set to answer before a commit is on the disk is bad."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off")
    assert found(postgres)["synchronous_commit"].verdict is Verdict.BAD


def test_somebody_s_long_transaction(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session that keeps dead rows from being cleaned up is named."""
    monkeypatch.setattr("hypern.stores.postgres.checking._LONG", 0.0)
    with psycopg.connect(postgres, application_name="forgotten") as connection:
        connection.execute("SELECT 1")
        finding = found(postgres)["long transactions"]
        assert finding.verdict is Verdict.CARE
        assert f"session {connection.info.backend_pid} 'forgotten'" in finding.found


def test_no_server(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said what was tried, without the password."""
    assert main(["store", "check", "postgresql://me:secret@127.0.0.1:1/none"]) == 1
    said = "".join(capsys.readouterr())
    assert "bad  connection: connection failed" in said
    assert "secret" not in said
