"""A disk that is full or fails, a store that somebody else holds: told loudly, healed without a restart."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash.rows import read_store
from tests.crash.conftest import Effects, MakePuppet, needs, until
from tests.crash.strings import Puppet, Raised

DISK = 8 * 1024 * 1024
# A caller waits so long for a store that others hold, and longer on a machine that has other things to do.
BUSY, BUSY_AT_MOST = 5.0, 15.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file system of 8 MiB of its own."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"mounting a small file system is not allowed here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Take all that is left of the disk."""
    filler = place / "filler"
    with filler.open("ab", buffering=0) as file:
        size = 1024 * 1024
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    return filler


def submit_until_refused(puppet: Puppet, name: str) -> tuple[list[str], Raised]:
    """Submit until there is no room; what was accepted, and the refusal."""
    accepted = []
    for number in range(20_000):
        raised = puppet.refusal(f"{name}:{number}")
        if raised is not None:
            return accepted, raised
        accepted.append(f"{name}:{number}")
    raise AssertionError("the disk never became full")


def rows(database: Path) -> dict[str, str]:
    """State by id, of a store that is sound."""
    snapshot = read_store(database)
    assert snapshot.integrity == "ok"
    return {row.id: row.status for row in snapshot.rows}


@needs("mount")
def test_a_full_disk_refuses_tasks_and_keeps_outcomes(
    puppet: MakePuppet, effects: Effects, home: Path, small_disk: Path
) -> None:
    """Submitting raises; what was accepted stays; a running task's outcome is kept, at the latest when there
    is room again, and submitting then works without a restart."""
    url = f"sqlite:///{small_disk / 'tasks.db'}"
    worker = puppet("worker", task_workers=1, url=url)
    producer = puppet("producer", task_workers=0, url=url)
    producer.submit("running", "slow", 0.0, 1.0)
    effects.wait("running")
    filler = fill(small_disk)
    accepted, _ = submit_until_refused(producer, "full")
    effects.wait("running", "end")
    filler.unlink()
    until(lambda: worker.status("running") == "completed", "the outcome is kept once there is room")
    until(lambda: producer.refusal("again", delay=0.0) is None, "submitting works again")
    until(lambda: worker.status("again") == "completed", "tasks run again")
    kept = rows(small_disk / "tasks.db")
    assert set(accepted) <= set(kept)
    assert len(effects.of("running")) == 1


def test_a_file_that_may_not_grow_refuses_tasks(puppet: MakePuppet, home: Path) -> None:
    """A limit on the size of files (RLIMIT_FSIZE) is met as a full disk is: an error, and nothing is lost."""
    producer = puppet("producer", task_workers=0)
    producer.submit("before", "quick", 60.0)
    most = sum(file.stat().st_size for file in home.glob("tasks.db*")) + 64 * 1024
    hard = resource.prlimit(producer.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(producer.process.pid, resource.RLIMIT_FSIZE, (most, hard))
    accepted, _ = submit_until_refused(producer, "full")
    resource.prlimit(producer.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    until(lambda: producer.refusal("again") is None, "submitting works again")
    assert {"before", *accepted, "again"} <= set(rows(home / "tasks.db"))


class Failing:
    """Makes system calls of a running process fail: `when` is strace's word for which of them."""

    def __init__(self, puppet: Puppet, calls: str, when: str) -> None:
        self._strace = subprocess.Popen(
            ["strace", "-f", "-p", str(puppet.process.pid), "-o", "/dev/null", "-e", f"trace={calls}",
             "-e", f"inject={calls}:error=EIO:when={when}"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        if "attached" not in said:
            self.end()
            pytest.skip(f"strace may not be attached here: {said.strip()}")

    def end(self) -> None:
        self._strace.send_signal(signal.SIGINT)
        self._strace.wait(20)
        assert self._strace.stderr is not None
        self._strace.stderr.close()


@needs("strace")
@pytest.mark.parametrize("calls", ["fdatasync,fsync", "pwrite64"])
@pytest.mark.parametrize("when", ["1", "1+"])
def test_a_disk_error_is_never_reported_as_success(
    puppet: MakePuppet, home: Path, calls: str, when: str
) -> None:
    """When the disk fails to sync or to write, once or for ever, submit raises an error with the id, whose
    repetition is harmless; nothing that was acknowledged is lost, also when the process is killed then."""
    producer = puppet("producer", task_workers=0)
    producer.submit("before", "quick", 60.0)
    failing = Failing(producer, calls, when)
    try:
        raised = producer.refusal("unknown")
        assert raised is not None
        assert raised.task_id == "unknown"
        assert when == "1" or producer.refusal("unknown too") is not None
    finally:
        failing.end()
    until(lambda: producer.refusal("unknown") is None, "the same id is accepted")
    assert producer.submit("unknown", "quick", 60.0) == "unknown"
    producer.kill()
    kept = rows(home / "tasks.db")
    assert {"before", "unknown"} <= set(kept)


def test_a_store_that_another_process_holds_is_an_error_in_time(
    puppet: MakePuppet, effects: Effects, home: Path
) -> None:
    """Submitting waits five seconds for somebody else's writer, then raises; afterwards all goes on, also a
    worker that could neither record an outcome nor take its next task meanwhile."""
    worker = puppet("worker", task_workers=1)
    producer = puppet("producer", task_workers=0)
    producer.submit("running", "slow", 0.0, 0.5)
    producer.submit("next")
    effects.wait("running")
    with closing(sqlite3.connect(home / "tasks.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        since = time.monotonic()
        raised = producer.refusal("meanwhile")
        waited = time.monotonic() - since
        holder.execute("ROLLBACK")
    assert raised is not None
    assert BUSY * 0.8 < waited < BUSY_AT_MOST
    until(lambda: worker.status("next") == "completed", "the worker goes on by itself")
    producer.submit("meanwhile")
    until(lambda: worker.status("meanwhile") == "completed", "new tasks run")
    assert [len(effects.of(task_id)) for task_id in ("running", "next", "meanwhile")] == [1, 1, 1]
