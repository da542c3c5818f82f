"""A database file that is deleted, moved, damaged or read-only: never silently a new one, never success."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.crash.conftest import MakePuppet, until
from tests.crash.strings import Puppet, Raised

TASKS = 200
NOBODY = 65534


def files(database: Path) -> list[Path]:
    """The database, its log and its index, as far as they are there."""
    return sorted(database.parent.glob(f"{database.name}*"))


def filled(puppet: MakePuppet, home: Path) -> Path:
    """A database with tasks in it that nobody has open."""
    producer = puppet("filler", task_workers=0)
    for number in range(TASKS):
        producer.submit(f"old:{number}", "quick", 3600.0)
    producer.tell("stop")
    producer.kill()
    with closing(sqlite3.connect(home / "tasks.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home / "tasks.db"


def refused(puppet: Puppet, task_id: str) -> bool:
    """Whether submitting raises an error of Hypern's."""
    return puppet.refusal(task_id) is not None


def refusal_to_open(puppet: Puppet) -> Raised | None:
    """What opening the store, and submitting to it, raises; None: all went well."""
    try:
        puppet.tell("open", task_workers=1)
        puppet.submit("new", "quick", 3600.0)
    except Raised as raised:
        return raised
    return None


def test_a_deleted_store_is_not_silently_replaced(puppet: MakePuppet, home: Path) -> None:
    """Nothing is accepted into a file that has been deleted, and no empty one takes its place."""
    producer = puppet("producer", task_workers=0)
    producer.submit("before", "quick", 3600.0)
    for file in files(home / "tasks.db"):
        if file.is_file():
            file.unlink()
    until(lambda: refused(producer, "after"), "submitting is refused")
    assert refused(producer, "after too")
    assert not (home / "tasks.db").exists()


def test_a_moved_store_is_missed_and_found_again(puppet: MakePuppet, home: Path) -> None:
    """While the file is elsewhere nothing is accepted; when it is back all goes on, with all its tasks."""
    producer = puppet("producer", task_workers=0)
    producer.submit("before", "quick", 3600.0)
    away = home / "away"
    away.mkdir()
    moved = [file for file in files(home / "tasks.db") if file.is_file()]
    for file in moved:
        file.rename(away / file.name)
    until(lambda: refused(producer, "meanwhile"), "submitting is refused")
    assert not (home / "tasks.db").exists()
    for file in moved:
        (away / file.name).rename(file)
    until(lambda: not refused(producer, "after"), "submitting works again")
    assert producer.status("before") == "pending"
    assert producer.status("after") == "pending"


def scribble(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(b"This is not what you are looking for")


def garble(database: Path) -> None:
    """Damage every page but the first."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        for start in range(4096, size, 4096):
            file.seek(start)
            file.write(os.urandom(min(2048, size - start)))


def truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2 // 4096 * 4096 + 100)


@pytest.mark.parametrize("damage", [scribble, garble, truncate])
def test_a_damaged_store_is_refused_at_the_start(
    puppet: MakePuppet, home: Path, damage: Callable[[Path], None]
) -> None:
    """An app on it says what is wrong and what to do, and leaves the file as it is."""
    database = filled(puppet, home)
    damage(database)
    before = database.read_bytes()
    raised = refusal_to_open(puppet("late", opens=False))
    assert raised is not None
    assert raised.is_ours, raised
    assert str(database) in str(raised)
    assert database.read_bytes() == before


@pytest.mark.parametrize("damage", [garble, truncate])
def test_damage_while_running_is_told_and_harms_no_process(
    puppet: MakePuppet, home: Path, damage: Callable[[Path], None]
) -> None:
    """Whoever works on a store that is damaged meanwhile gets errors of ours at most, and lives."""
    database = filled(puppet, home)
    producer = puppet("producer", task_workers=0)
    producer.submit("before", "quick", 3600.0)
    damage(database)
    for number in range(20):
        producer.refusal(f"after:{number}")
        try:
            producer.tell("get", task_id=f"old:{number}")
        except Raised as raised:
            if not raised.is_ours:
                raise
    assert producer.process.poll() is None


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that also a user without rights can reach."""
    place = Path(tempfile.mkdtemp(prefix="hypern-crash-"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


def test_a_store_that_may_not_be_written_is_refused(puppet: MakePuppet, open_to_all: Path) -> None:
    """A read-only file in a read-only directory is an error that names it, at the start."""
    database = open_to_all / "tasks.db"
    maker = puppet("maker", open_to_all, task_workers=0)
    maker.submit("before", "quick", 3600.0)
    maker.tell("stop")
    maker.kill()
    late = puppet("late", open_to_all, opens=False)
    if os.getuid() == 0:
        late.tell("become", user=NOBODY)
    for file in files(database):
        file.chmod(0o555 if file.is_dir() else 0o444)
    open_to_all.chmod(0o555)
    raised = refusal_to_open(late)
    open_to_all.chmod(0o777)
    assert raised is not None
    assert raised.is_ours, raised
    assert str(database) in str(raised)


def test_a_directory_that_is_not_there_is_named(puppet: MakePuppet, home: Path) -> None:
    """A URL into nowhere is an error that says which directory is missing, or the directory is made."""
    late = puppet("late", opens=False, url=f"sqlite:///{home / 'nowhere' / 'tasks.db'}")
    raised = refusal_to_open(late)
    assert raised is None or (raised.is_ours and "nowhere" in str(raised)), raised
    assert (raised is None) == (home / "nowhere" / "tasks.db").exists()
