"""What becomes of the tasks of a process that has died, and of one that has not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.sqlite_help import claim_and_die, open_store

from hypern.records import Completed, Lane, TaskStatus
from hypern.stores.conformance.suite import NOW, claim_ids, claim_one, finish, kept, make_record
from hypern.stores.sqlite.store import SQLiteStore

THREAD = Lane.THREAD


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_a_dead_process_gives_its_task_back(store: SQLiteStore, tmp_path: Path) -> None:
    """A started task of a process that was killed waits again, and the lost attempt is remembered."""
    store.add(make_record("one"))
    claim_and_die(tmp_path)
    assert kept(store, "one").status is TaskStatus.RUNNING
    assert store.rescue(0.0, NOW) == 1
    after = kept(store, "one")
    assert (after.status, after.lost, [attempt.error for attempt in after.history]) == (
        TaskStatus.PENDING,
        1,
        ["worker lost"],
    )
    again = claim_one(store)
    assert (again.attempt, again.fence) == (2, 2)
    assert finish(store, again, again.fence, Completed("done"))
    assert store.rescue(0.0, NOW) == 0


def test_three_deaths_are_enough(store: SQLiteStore, tmp_path: Path) -> None:
    """A task on which three processes have died is FAILED, and says why."""
    store.add(make_record("poison", retries=10))
    for _ in range(3):
        claim_and_die(tmp_path)
        store.rescue(0.0, NOW)
    after = kept(store, "poison")
    assert (after.status, after.lost) == (TaskStatus.FAILED, 3)
    assert after.error == "worker lost: the process that ran it died, 3 times"
    assert store.claim(THREAD, NOW) is None


def test_the_dead_leave_room(store: SQLiteStore, tmp_path: Path) -> None:
    """Where a queue is limited, who finds a task of it lost knows at once that another one may start."""
    store.set_queue("narrow", limit=1)
    store.add(make_record("lost", queue="narrow", on_crash="fail"))
    store.add(make_record("next", queue="narrow"))
    claim_and_die(tmp_path)
    assert store.claim(THREAD, NOW) is None
    assert not store.has_ready(THREAD)
    assert store.rescue(0.0, NOW) == 1
    assert claim_one(store).id == "next"


def test_work_that_must_not_be_repeated(store: SQLiteStore, tmp_path: Path) -> None:
    """With on_crash="fail" one death is enough."""
    store.add(make_record("once", on_crash="fail"))
    claim_and_die(tmp_path)
    store.rescue(0.0, NOW)
    after = kept(store, "once")
    assert (after.status, after.error) == (TaskStatus.FAILED, "worker lost: the process that ran it died")


def test_a_death_is_no_retry(store: SQLiteStore, tmp_path: Path) -> None:
    """What `retries` allows is still there after a death."""
    from hypern.records import Failed
    from hypern.tasks.retry import may_try_again

    store.add(make_record("one", retries=1))
    claim_and_die(tmp_path)
    store.rescue(0.0, NOW)
    assert may_try_again(claim_one(store), Failed("E", "", ()))


def test_tasks_that_were_not_started_are_not_charged(store: SQLiteStore, tmp_path: Path) -> None:
    """Of the tasks that were claimed together only the started ones count the death, however often."""
    for number in range(4):
        store.add(make_record(f"n{number}"))
    for _ in range(3):
        claim_and_die(tmp_path, claims=1, ahead=0.01, workers=4)
        assert store.rescue(0.0, NOW) > 0
    assert kept(store, "n0").status is TaskStatus.FAILED
    for number in range(1, 4):
        after = kept(store, f"n{number}")
        assert (after.status, after.attempt, after.lost) == (TaskStatus.PENDING, 0, 0)


def test_without_its_note_every_claimed_task_may_have_been_started(
    store: SQLiteStore, tmp_path: Path
) -> None:
    """Where the note of what was started is gone, the death counts for all that was claimed."""
    for number in range(3):
        store.add(make_record(f"n{number}"))
    claim_and_die(tmp_path, claims=1, ahead=0.01, workers=3)
    for note in (tmp_path / "tasks.db-workers").glob("*.started"):
        note.unlink()
    store.rescue(0.0, NOW)
    assert [kept(store, f"n{number}").lost for number in range(3)] == [1, 1, 1]


def test_asked_to_stop_and_dead(store: SQLiteStore, tmp_path: Path) -> None:
    """A task that had been asked to stop is CANCELLED when its process dies, not run again."""
    store.add(make_record("one"))
    claim_and_die(tmp_path)
    store.cancel("one", NOW)
    store.rescue(0.0, NOW)
    assert kept(store, "one").status is TaskStatus.CANCELLED


def test_the_files_of_the_dead_are_removed(store: SQLiteStore, tmp_path: Path) -> None:
    """After a rescue nothing is left of the process that died."""
    store.add(make_record("one"))
    claim_and_die(tmp_path)
    assert list((tmp_path / "tasks.db-workers").iterdir())
    store.rescue(0.0, NOW)
    assert list((tmp_path / "tasks.db-workers").iterdir()) == []


def test_a_living_process_keeps_its_tasks(store: SQLiteStore, tmp_path: Path) -> None:
    """Neither another store of this process nor a stopped process is taken for dead."""
    other = open_store(tmp_path)
    try:
        store.add(make_record("one"))
        other._hands.look_again()
        running = claim_one(other)
        assert store.rescue(0.0, NOW) == 0
        assert finish(other, running, running.fence, Completed("mine"))
    finally:
        other.close()


def test_a_stopped_process_is_not_dead(store: SQLiteStore, tmp_path: Path) -> None:
    """SIGSTOP frees no lock: a stopped process keeps its tasks until it is killed."""
    from tests.stores import sqlite_help

    source = sqlite_help._DYING.replace(
        "os.kill(os.getpid(), signal.SIGKILL)", "print('claimed', flush=True); signal.pause()"
    )
    store.add(make_record("one"))
    program = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path / "tasks.db"), "1", "0.0", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "claimed\n"
    os.kill(program.pid, signal.SIGSTOP)
    assert store.rescue(0.0, NOW) == 0
    program.kill()
    program.wait()
    program.stdout.close()
    assert store.rescue(0.0, NOW) == 1
    store._hands.look_again()
    assert claim_ids(store) == ["one"]
