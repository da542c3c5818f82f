"""Processes that lack memory, descriptors, the interpreter or a quick disk; a reader that does not end."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from crash.rows import read_store
from tests.crash.conftest import Effects, MakePuppet, needs, until
from tests.crash.strings import Puppet

MEGABYTE = 1024 * 1024
MOST_DELIVERIES = 3
CGROUP = Path("/sys/fs/cgroup/memory")


@contextmanager
def limited(puppet: Puppet, what: int, most: int) -> Iterator[None]:
    before = resource.prlimit(puppet.process.pid, what)
    resource.prlimit(puppet.process.pid, what, (most, before[1]))
    yield
    if puppet.process.poll() is None:
        resource.prlimit(puppet.process.pid, what, before)


def test_a_task_that_gets_no_memory_fails_alone(puppet: MakePuppet, effects: Effects) -> None:
    """Where the system gives no more (RLIMIT_AS), the task fails with MemoryError and the worker goes on."""
    worker = puppet("worker", task_workers=1)
    effects.wait(worker.submit("before"), "end")
    size = int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    with limited(worker, resource.RLIMIT_AS, size + 64 * MEGABYTE):
        worker.submit("greedy", "greedy", 0.0, 512 * MEGABYTE)
        until(lambda: worker.status("greedy") == "failed", "it fails")
        assert "MemoryError" in worker.tell("get", task_id="greedy")[2]
        worker.submit("after")
        until(lambda: worker.status("after") == "completed", "the next one runs")


@pytest.fixture
def cage(tmp_path: Path) -> Iterator[Path]:
    """A group of processes that may have 150 MiB together."""
    group = CGROUP / f"hypern-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(150 * MEGABYTE))
    except OSError as error:
        pytest.skip(f"making a control group is not allowed here: {error}")
    yield group
    for process in (group / "cgroup.procs").read_text().split():
        os.kill(int(process), signal.SIGKILL)
    until(lambda: not (group / "cgroup.procs").read_text(), "the group is empty")
    group.rmdir()


def test_a_task_that_is_killed_for_its_memory_is_given_up(
    puppet: MakePuppet, effects: Effects, home: Path, cage: Path
) -> None:
    """A task for which the kernel kills its process each time (OOM) is run three times, and then FAILED; the
    one behind it runs."""
    producer = puppet("producer", task_workers=0)
    producer.submit("greedy", "greedy", 0.0, 400 * MEGABYTE)
    producer.submit("after")
    for number in range(MOST_DELIVERIES):
        worker = puppet(f"caged-{number}", opens=False)
        (cage / "cgroup.procs").write_text(str(worker.process.pid))
        worker.ask("open", task_workers=1)
        worker.ask("start")
        assert worker.process.wait(30) == -signal.SIGKILL
    puppet("last", task_workers=1)
    until(lambda: producer.status("after") == "completed", "the next one runs")
    until(lambda: producer.status("greedy") == "failed", "it is given up")
    assert "worker lost" in producer.tell("get", task_id="greedy")[2]
    assert len(effects.of("greedy")) == MOST_DELIVERIES


def test_a_task_that_keeps_the_interpreter_is_not_taken_for_dead(
    puppet: MakePuppet, effects: Effects
) -> None:
    """While C code keeps the interpreter, nobody takes the task over, and other processes work."""
    brooding = puppet("brooding", task_workers=1)
    brooding.submit("held", "brooding", 0.0, 25)
    effects.wait("held")
    other = puppet("other", task_workers=1)
    number = 0
    while not effects.of("held", "end"):
        number += 1
        effects.wait(other.submit(f"meanwhile:{number}"), "end")
    until(lambda: other.status("held") == "completed", "it is recorded")
    assert len(effects.of("held")) == 1
    assert number > 1


def test_out_of_descriptors(puppet: MakePuppet, effects: Effects) -> None:
    """A process that may open nothing more goes on with what it has open, or says that it cannot; when it may
    again, all goes on without a restart."""
    worker = puppet("worker", task_workers=2)
    effects.wait(worker.submit("before"), "end")
    accepted = []
    with limited(worker, resource.RLIMIT_NOFILE, 3):
        for number in range(20):
            if worker.refusal(f"meanwhile:{number}", delay=0.0) is None:
                accepted.append(f"meanwhile:{number}")
    for task in accepted:
        effects.wait(task, "end")
    until(lambda: worker.refusal("after", delay=0.0) is None, "submitting works")
    until(lambda: worker.status("after") == "completed", "it runs")
    assert all(len(effects.of(task)) == 1 for task in [*accepted, "before", "after"])


def test_a_reader_that_does_not_end_holds_up_nobody(puppet: MakePuppet, effects: Effects, home: Path) -> None:
    """While somebody reads an old state of the file, tasks are accepted and run; when he is gone, the log is
    used anew, and grows no more."""
    log = home / "tasks.db-wal"
    worker = puppet("worker", task_workers=1)
    worker.submit("before")
    with closing(sqlite3.connect(home / "tasks.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT count(*) FROM hypern_tasks").fetchone()
        worker.tell("submit_many", number=1500, name="meanwhile")
        effects.wait("meanwhile:1499", "end")
        assert reader.execute("SELECT count(*) FROM hypern_tasks").fetchone() == seen
        reader.execute("COMMIT")
    worker.tell("submit_many", number=1500, name="after")
    effects.wait("after:1499", "end")
    size = log.stat().st_size
    worker.tell("submit_many", number=1500, name="later")
    effects.wait("later:1499", "end")
    assert log.stat().st_size <= size + 4 * MEGABYTE
    assert read_store(home / "tasks.db").integrity == "ok"


@needs("strace")
def test_a_slow_disk_holds_up_no_event_loop_and_kills_nobody(puppet: MakePuppet, effects: Effects) -> None:
    """Where each sync takes a fifth of a second, an event loop that submits goes on meanwhile, and no task is
    taken from the worker."""
    worker, other = puppet("worker", task_workers=1), puppet("other", task_workers=1)
    with subprocess.Popen(
        ["strace", "-f", "-p", str(worker.process.pid), "-o", "/dev/null", "-e", "trace=fdatasync",
         "-e", "inject=fdatasync:delay_enter=200000"],
        stderr=subprocess.PIPE, text=True,
    ) as strace:  # fmt: skip
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not be attached here: {said.strip()}")
        took, turns = worker.tell("submit_async", number=10, name="slow")
        strace.send_signal(signal.SIGINT)
    assert took > 0.2
    assert turns > 5
    tasks = [f"slow:{number}" for number in range(10)]
    until(lambda: all(other.status(task) == "completed" for task in tasks), "all are done")
    assert all(len(effects.of(task)) == 1 for task in tasks)
