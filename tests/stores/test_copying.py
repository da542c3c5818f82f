"""Waiting tasks moved from one store to another: nothing is lost, nothing doubled, nothing forgotten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from tests.tasks.conftest import Helped

from hypern import TaskStatus, background, current_task
from hypern.cli import main
from hypern.config import Settings
from hypern.errors import ConfigurationError, StoreUnusable
from hypern.records import Backoff
from hypern.stores.copying import PAGE, check_urls, copy_waiting
from hypern.stores.durable.carried import Carried
from hypern.tasks.anywhere import submit_many_to, submit_to
from hypern.tasks.queues import limit_queue_of, pause_queue_of

ran: list[str] = []


@background()
def note(word: str) -> str:
    ran.append(word)
    return word


@background(retries=5, backoff=Backoff(first=3600.0, jitter=False))
def fails_once(word: str) -> str:
    if current_task().attempt == 1:
        raise ValueError(word)
    return word


@dataclass
class Pair:
    """The URLs of two stores, neither of which is there yet."""

    source: str
    target: str

    def copy(self, *, remove: bool = False, wait: float = 0.0) -> tuple[int, int, int]:
        copied = copy_waiting(self.source, self.target, remove=remove, wait=wait, told=lambda _: None)
        return copied.new, copied.known, copied.removed


KINDS = ["sqlite to sqlite", "sqlite to postgres", "postgres to sqlite"]


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    def url(number: int, kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/tasks-{number}.db"
        return f"{request.getfixturevalue('postgres_url')}?hypern_schema=copy_{number}"

    first, _, last = request.param.partition(" to ")
    return Pair(url(0, first), url(1, last))


@pytest.fixture
def engine_on() -> Iterator[Callable[..., Helped]]:
    """Make engines on a store; they run tasks only if they are given workers and started."""
    made: list[Helped] = []

    def make(url: str, workers: int = 0) -> Helped:
        made.append(Helped(Settings(task_store=url, task_workers=workers, task_grace_seconds=1.0)))
        return made[-1]

    yield make
    for engine in made:
        engine.discard()


def pending(engine: Helped) -> dict[str, tuple[object, ...]]:
    """What is known of each task that waits, but by which clock it is due."""
    return {
        record.id: (
            record.name, record.args, record.kwargs, record.rules, record.lane, record.unique_key,
            record.submitted_at, record.due is None, record.expires_at is None, record.attempt, record.error,
            [(attempt.number, attempt.error) for attempt in record.history], record.origin,
        )
        for record in engine.store.find({TaskStatus.PENDING})
    }  # fmt: skip


def fill(engine: Helped) -> None:
    """Tasks of all kinds, that wait; one repeats another."""
    submit_to(engine, note, ("plain",), None, {"task_id": "plain"})
    submit_to(engine, note, (), {"word": "of a queue"}, {"queue": "mail", "priority": 7, "task_id": "queued"})
    submit_to(engine, note, ("late",), None, {"delay_seconds": 3600, "task_id": "late"})
    submit_to(engine, note, ("unique",), None, {"unique": "key", "task_id": "unique"})
    submit_to(
        engine, note, ("kept",), None, {"unique": "key for a time", "unique_for": 3600, "task_id": "kept"}
    )
    submit_to(
        engine, note, ("expiring",), None, {"expires": 3600, "delay_seconds": 60, "task_id": "expiring"}
    )
    limit_queue_of(engine, "mail", 3)
    pause_queue_of(engine, "paused", True)


def test_a_copied_task_is_what_it_was(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """Ids, arguments, options, keys, order, queues with their settings: all as before, in both stores."""
    source = engine_on(pair.source)
    fill(source)
    before = pending(source)
    assert pair.copy() == (6, 0, 0)
    target = engine_on(pair.target)
    assert pending(target) == before == pending(source)
    assert list(pending(target)) == list(before)
    queues = {queue.name: (queue.paused, queue.limit) for queue in target.store.queues()}
    assert (queues["mail"], queues["paused"]) == ((False, 3), (True, None))
    assert submit_to(target, note, ("again",), None, {"unique": "key"}) == "unique"
    assert submit_to(target, note, ("again",), None, {"unique": "key for a time", "unique_for": 9}) == "kept"


def test_due_times_are_kept(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """A delayed task is due at the same moment, never before it."""
    source = engine_on(pair.source)
    called = time.monotonic()
    submit_to(source, note, ("soon",), None, {"delay_seconds": 1.0, "task_id": "soon"})
    assert pair.copy()[0] == 1
    target = engine_on(pair.target, workers=1)
    target.start()
    target.one("soon")
    assert 1.0 <= time.monotonic() - called < 10.0


def test_a_task_that_waits_for_its_next_attempt(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """It keeps its attempts and its error, and waits as long as before."""
    source = engine_on(pair.source, workers=1)
    source.start()
    submit_to(source, fails_once, ("flaky",), None, {"task_id": "flaky"})

    def has_failed() -> bool:
        record = source.store.get("flaky")
        return record is not None and bool(record.history)

    assert source.wait_until(has_failed, 20)
    source.stop(final=True)
    assert pair.copy() == (1, 0, 0)
    found = engine_on(pair.target).store.get("flaky")
    assert found is not None
    assert (found.status, found.attempt) == (TaskStatus.PENDING, 1)
    assert [attempt.error for attempt in found.history] == ["ValueError: flaky"]


def test_copied_tasks_run_in_their_order(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """Several pages of them, those of a higher priority first."""
    source = engine_on(pair.source)
    total = PAGE + 50
    submit_many_to(source, [(note, (f"{number}",)) for number in range(total)])
    submit_to(source, note, ("urgent",), None, {"priority": "critical"})
    assert pair.copy() == (total + 1, 0, 0)
    ran.clear()
    target = engine_on(pair.target, workers=1)
    target.start()
    target.settle()
    assert ran == ["urgent", *map(str, range(total))]


@pytest.mark.parametrize("remove", [False, True])
def test_large_arguments_come_in_small_pages(
    pair: Pair, engine_on: Callable[..., Helped], remove: bool
) -> None:
    """Some bytes at once, in however few tasks: no server is asked to take a gigabyte in a moment."""
    source = engine_on(pair.source)
    sizes = [600_000] * 15 + [10] * 5 + [900_000]
    submit_many_to(source, [(note, (f"{n}" + "x" * size,)) for n, size in enumerate(sizes)])
    told: list[int] = []
    copied = copy_waiting(
        pair.source, pair.target, remove=remove, wait=0.0, told=lambda so_far: told.append(so_far.new)
    )
    assert (copied.new, told) == (21, [7, 14, 21])
    assert sorted(len(str(task[1])) for task in pending(engine_on(pair.target)).values())[-1] > 900_000
    assert engine_on(pair.source).store.count()[TaskStatus.PENDING] == (0 if remove else 21)


def test_copying_again_adds_nothing_twice(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """Also when some of them have run there meanwhile; what is new comes along."""
    source = engine_on(pair.source)
    submit_many_to(source, [(note, (f"{number}",)) for number in range(5)])
    assert pair.copy() == (5, 0, 0)
    target = engine_on(pair.target, workers=1)
    target.start()
    target.settle()
    target.stop(final=True)
    submit_to(source, note, ("new",), None, {})
    assert pair.copy() == (1, 5, 0)
    assert engine_on(pair.target).store.count()[TaskStatus.COMPLETED] == 5


def test_remove_takes_away_what_has_arrived(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """Afterwards the first store has none that wait, and the second has all."""
    source = engine_on(pair.source)
    fill(source)
    before = pending(source)
    assert pair.copy(remove=True) == (6, 0, 6)
    assert pending(source) == {}
    assert pending(engine_on(pair.target)) == before
    assert pair.copy(remove=True) == (0, 0, 0)


def test_nothing_is_copied_while_workers_run(pair: Pair, engine_on: Callable[..., Helped]) -> None:
    """It is refused; or it waits until they have stopped."""
    worker = engine_on(pair.source, workers=1)
    worker.start()
    submit_to(worker, note, ("late",), None, {"delay_seconds": 3600})

    # In a process of its own, or it would share the worker's locks.
    def copying(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _COPYING, "store", "copy", pair.source, pair.target, *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with copying() as refused:
        _, error = refused.communicate(timeout=20)
        assert (refused.returncode, "is in use: there are 1 process that runs its tasks" in error) == (
            1,
            True,
        )
    assert engine_on(pair.target).store.count()[TaskStatus.PENDING] == 0
    with copying("--wait", "20") as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.0)
        worker.stop(final=True)
        assert waiting.communicate(timeout=20)[0].startswith("1 tasks copied")


_COPYING = "import sys; from hypern.cli import main; sys.exit(main(sys.argv[1:]))"

# After each line on stderr it waits for a line on stdin, or its end.
_STEP_BY_STEP = f"""
import sys
class Steps:
    def __init__(self, out):
        self.out = out
    def __getattr__(self, name):
        return getattr(self.out, name)
    def write(self, text):
        self.out.write(text)
        self.out.flush()
        if "\\n" in text:
            sys.stdin.readline()
sys.stderr = Steps(sys.stderr)
{_COPYING}
"""


@pytest.mark.parametrize("remove", [False, True])
def test_killed_in_the_midst_and_begun_again(
    pair: Pair, engine_on: Callable[..., Helped], remove: bool
) -> None:
    """However often it is killed with -9, in the end each task is there once, and none is lost meanwhile."""
    source = engine_on(pair.source)
    ids = set(submit_many_to(source, [(note, (f"{number}",)) for number in range(6 * PAGE)]))
    target = engine_on(pair.target)
    command = [sys.executable, "-c", _STEP_BY_STEP, "store", "copy", pair.source, pair.target, "--verbose"]
    arguments = [*command, "--remove"] if remove else command
    kills = 0
    for pages in (1, 2):
        copying = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        assert copying.stdin is not None
        assert copying.stderr is not None
        with copying.stderr as lines, copying.stdin as steps:
            # The next page is on its way then.
            for _ in range(pages):
                assert lines.readline()
                steps.write("\n")
            copying.kill()
        kills += copying.wait() == -9
        there = {record.id for record in target.store.find({TaskStatus.PENDING})}
        left = {record.id for record in source.store.find({TaskStatus.PENDING})}
        assert there | left == ids
    assert kills == 2
    run = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert run.returncode == 0
    found = [record.id for record in target.store.find({TaskStatus.PENDING})]
    assert len(found) == len(ids)
    assert set(found) == ids
    assert source.store.count()[TaskStatus.PENDING] == (0 if remove else len(ids))


@pytest.mark.parametrize(("verb", "arrived"), [("write", False), ("remove", True)])
def test_killed_at_the_worst_moment(
    pair: Pair, engine_on: Callable[..., Helped], verb: str, arrived: bool
) -> None:
    """Just before a page is written, and just after, when it is still to be removed: nothing is lost or
    doubled."""
    source = engine_on(pair.source)
    fill(source)
    before = pending(source)
    url = pair.target if verb == "write" else pair.source
    kind = ("sqlite", "SQLiteCarrier") if url.startswith("sqlite:") else ("postgres", "PostgresCarrier")
    dying = (
        f"import os, hypern.stores.{kind[0]}.carrying as module; "
        f"module.{kind[1]}.{verb} = lambda *_: os.kill(os.getpid(), 9); {_COPYING}"
    )
    command = [sys.executable, "-c", dying, "store", "copy", pair.source, pair.target, "--remove"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert pending(source) == before
    assert pending(engine_on(pair.target)) == (before if arrived else {})
    assert pair.copy(remove=True) == ((0, 6, 6) if arrived else (6, 0, 6))
    assert (pending(source), pending(engine_on(pair.target))) == ({}, before)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_one_store_by_two_names(
    request: pytest.FixtureRequest, engine_on: Callable[..., Helped], tmp_path: Path, kind: str
) -> None:
    """It is found out, and nothing is removed."""
    if kind == "sqlite":
        one, two = f"sqlite:///{tmp_path}/tasks.db", f"sqlite:///{tmp_path}/../{tmp_path.name}/tasks.db"
    else:
        one = request.getfixturevalue("postgres_url")
        two = one.replace("postgresql://", "postgres://")
    source = engine_on(one)
    fill(source)
    before = pending(source)
    with pytest.raises(ConfigurationError, match="lead to the same store"):
        Pair(one, two).copy(remove=True)
    assert pending(source) == before


# What tasks that wait have not, have otherwise in the other store, or give up by being copied: their turn of
# a rate, a request to cancel that came too late, the progress of a former attempt.
NOT_CARRIED = {
    "state", "finished_at", "gone_at", "owner", "result", "result_omitted", "reason",
    "mark", "priority", "ttl", "place", "cancel_requested", "progress",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_column_is_forgotten(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """Each column of a task is carried over, or known not to be."""
    if kind == "sqlite":
        assert main(["store", "migrate", f"sqlite:///{tmp_path}/tasks.db"]) == 0
        connection = sqlite3.connect(tmp_path / "tasks.db")
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(hypern_tasks)")}
        connection.close()
    else:
        url = request.getfixturevalue("postgres_url")
        assert main(["store", "migrate", url]) == 0
        with psycopg.connect(url) as server:
            columns = {
                name
                for (name,) in server.execute(
                    "SELECT column_name FROM information_schema.columns "
                    "WHERE table_schema = 'hypern' AND table_name = 'tasks'"
                )
            }
    assert columns - NOT_CARRIED == set(Carried.__struct_fields__) - {"is_delayed", "attempts"}


def test_what_cannot_be_copied(tmp_path: Path) -> None:
    """Memory, the same store twice, a store that is not there: each is said, and nothing is made."""
    one, two = f"sqlite:///{tmp_path}/one.db", f"sqlite:///{tmp_path}/two.db"
    for source, target in (("memory://", one), (one, "memory://"), (one, one)):
        with pytest.raises(ConfigurationError):
            check_urls(source, target)
    with pytest.raises(StoreUnusable, match=r"there is no file .*one\.db"):
        Pair(one, two).copy()
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_did(
    pair: Pair, engine_on: Callable[..., Helped], capsys: pytest.CaptureFixture[str]
) -> None:
    """How many were copied, known and removed; and what to do with a store that still has them."""
    submit_to(engine_on(pair.source), note, ("one",), None, {})
    assert main(["store", "copy", pair.source, pair.target]) == 0
    assert capsys.readouterr().out.startswith("1 tasks copied. ")
    assert main(["store", "copy", pair.source, pair.target, "--remove"]) == 0
    assert "0 tasks copied, 1 were known there already, 1 removed from " in capsys.readouterr().out
