"""Which files are opened, and how, and which are refused unchanged."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.stores.sqlite_help import open_store

from hypern.config import Settings
from hypern.errors import ConfigurationError, StoreUnusable
from hypern.records import TaskStatus
from hypern.stores.conformance.suite import NOW, claim_ids, kept, make_record, release_all
from hypern.stores.overview import Filter
from hypern.stores.sqlite.address import parse
from hypern.stores.sqlite.store import SQLiteStore


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/tasks.db", "sqlite:///d/", "sqlite:///t?x=1",
     "sqlite:///t?synchronous=off", "sqlite:///t#1.db", "sqlite:///t%00.db",
     "sqlite://[", "sqlite:///half \ud800"],
)  # fmt: skip
def test_addresses_that_name_no_file(url: str) -> None:
    """An address that cannot work is a ConfigurationError that shows how it is written."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///|synchronous"):
        parse(url)


def test_a_relative_address_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is made absolute when it is read, symbolic links followed: later changes of directory do not
    matter, and two names of a file are one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert parse("sqlite:///link/t.db").path == (tmp_path / "real" / "t.db").resolve()
    assert parse("sqlite:///t%20x.db?synchronous=NORMAL").synchronous == "normal"


@pytest.mark.parametrize(
    ("written", "name"),
    [("two words.db", "two words.db"), ("grün-任务.db", "grün-任务.db"), ("a%23b%3Fc.db", "a#b?c.db"),
     ("100%25.db", "100%.db"), ("~.db", "~.db"), ("-v'\".db", "-v'\".db"), ("x" * 200, "x" * 200)],
)  # fmt: skip
def test_odd_names(tmp_path: Path, written: str, name: str) -> None:
    """A store of such a name keeps tasks, in that file and no other."""
    address = parse(f"sqlite:///{tmp_path}/{written}")
    for expected in ([], ["one"]):
        store = SQLiteStore(address, ahead=0.0)
        assert [record.id for record in store.find({TaskStatus.PENDING})] == expected
        store.add(make_record("one"))
        store.close()
    assert all(path.name.startswith(name) for path in tmp_path.iterdir())


def test_a_home_directory_is_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is a directory like any other; where there is none, the error shows what it was taken for."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnusable, match=f"{tmp_path}/~"):
        SQLiteStore(parse("sqlite:///~/tasks.db"))


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whoever can write to the database chooses what is run: its files have mode 0600, directories 0700."""
    store = open_store(tmp_path)
    store.add(make_record("one"))
    store._neighbours.presence()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    store.close()
    assert modes == {
        "tasks.db": 0o600,
        "tasks.db-wal": 0o600,
        "tasks.db-shm": 0o600,
        "tasks.db-workers": 0o700,
    }


def test_no_directory(tmp_path: Path) -> None:
    """A directory that is not there is not made."""
    with pytest.raises(StoreUnusable, match="no directory"):
        open_store(tmp_path / "missing")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """What the file system says is said, as what it means for the setting."""
    with pytest.raises(StoreUnusable, match="Name another"):
        SQLiteStore(parse(f"sqlite:///{tmp_path}/{'x' * 300}"))


@pytest.mark.parametrize(
    "content", [b"this is no database, but a long enough text" * 50, b"SQLite format 3\0" + b"\xff" * 4080]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """It is refused, with advice, and not changed."""
    path = tmp_path / "tasks.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"another file|aside|damaged"):
        open_store(tmp_path)
    assert path.read_bytes() == content


def test_tables_of_another_version(tmp_path: Path) -> None:
    """A database that a newer Hypern has written is refused."""
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / "tasks.db") as connection:
        connection.execute("UPDATE hypern_meta SET value = 99 WHERE key = 'version'")
    connection.close()
    with pytest.raises(StoreUnusable, match="version 99"):
        open_store(tmp_path)


def test_after_a_reboot_delays_go_on_by_the_wall_clock(tmp_path: Path) -> None:
    """In another boot the steady clock begins anew: what was due in ten seconds still is."""
    store = open_store(tmp_path)
    now = store._clock.steady()
    store.add(make_record("delayed", due=now + 10.0))
    store.close()
    with sqlite3.connect(tmp_path / "tasks.db") as connection:
        # As if the machine had run a thousand seconds less when the task was submitted.
        connection.execute("UPDATE hypern_meta SET value = 'another boot' WHERE key = 'boot'")
        connection.execute("UPDATE hypern_meta SET value = value + 1000.0 WHERE key = 'offset'")
        connection.execute("UPDATE hypern_tasks SET due = due - 1000.0")
    connection.close()
    store = open_store(tmp_path)
    due = store.next_due()
    store.close()
    assert due == pytest.approx(now + 10.0, abs=0.01)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """Closing and opening changes nothing: states, order, delays, arguments."""
    store = open_store(tmp_path)
    steady = store._clock.steady()
    store.add(make_record("first", args=(1, ("two",)), kwargs={"three": {3}}))
    store.add(make_record("second", priority=10))
    store.add(make_record("third", due=steady + 50))
    store.close()
    store = open_store(tmp_path)
    assert (kept(store, "first").args, kept(store, "first").kwargs) == ((1, ("two",)), {"three": {3}})
    store._hands.look_again()
    assert claim_ids(store) == ["second", "first"]
    release_all(store, steady + 50, NOW)
    assert claim_ids(store) == ["third"]
    store.close()


def test_settings_of_a_durable_store() -> None:
    """A durable store takes any number of tasks and keeps ended ones for a week; 0 workers are allowed."""
    settings = Settings(task_store="sqlite:///tasks.db", task_workers=0)
    assert (settings.task_queue_size, settings.task_result_limit) == (None, None)
    assert settings.task_result_ttl == 7 * 86_400


def test_tables_of_an_older_version_are_brought_up(tmp_path: Path) -> None:
    """Every task of a file of version 1 is there, in its state, and can be run; the tables and indexes are
    those that a new file has."""
    old = sqlite3.connect(tmp_path / "tasks.db")
    old.executescript((Path(__file__).parent / "sqlite_version_1.sql").read_text())
    old.close()
    store = open_store(tmp_path)
    found = {record.id: record for record in store.page(Filter()).records}
    assert {task_id: record.status.value for task_id, record in found.items()} == {
        "ready": "pending",
        "later": "pending",
        "completed": "completed",
        "failed": "failed",
        "cancelled": "cancelled",
    }
    assert found["completed"].result == "done"
    assert [totals.submitted for totals in store.totals()] == [3, 2]
    assert store.again("failed", "repeated", 0.0, NOW) == "repeated"
    store._hands.look_again()
    assert sorted(claim_ids(store)) == ["ready", "repeated"]
    store.delete(["completed"])
    new = open_store(make(tmp_path / "new"))
    assert _shape(tmp_path / "tasks.db") == _shape(tmp_path / "new" / "tasks.db")
    store.close()
    new.close()
    again = open_store(tmp_path)
    assert kept(again, "failed").error == "ValueError: x"
    again.close()


def make(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _shape(path: Path) -> set[tuple[str, ...]]:
    """Names and types of all columns, and the indexes."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        columns = {
            (table, name, kind, str(default))
            for (table,) in named
            for _, name, kind, _, default, _ in connection.execute(f"PRAGMA table_info({table})")
        }
        return columns | set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index'"))
