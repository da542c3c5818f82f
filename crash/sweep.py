"""Kills at every system call that writes or syncs: the first, the second, … until the program survives."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crash.fleet import PRODUCER, WORKER, Fleet, HarnessError
from crash.journal import ACKS, read
from crash.looking import look
from crash.phases import SYSTEM_CALL, is_submit, is_work
from crash.report import Found
from crash.rows import SQLiteTables
from crash.tables import wait_drained
from crash.watch import Watch

CALLS = "pwrite64,fdatasync,fsync,ftruncate"
WINDOWS = {"a call of submit": is_submit, "a claim or a finish": is_work}
TASKS = 5
ENDS_WITHIN = 60.0


class MissingTool(Exception):
    """strace is not installed."""


def strace() -> str:
    """Path of strace. Raises MissingTool."""
    path = shutil.which("strace")
    if path is None:
        raise MissingTool("strace is not installed; `apt-get install strace`, or leave the sweep out")
    return path


def killing_at(call: int) -> list[str]:
    """The words before a program that is to be killed at the so-manieth of `CALLS` of one of its threads."""
    return [strace(), "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
            "-e", f"inject={CALLS}:signal=KILL:when={call}"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """What is killed. `prepared`: the store and tasks in it are there before."""

    name: str
    role: str
    prepared: bool


CREATING = Program("creating the store", PRODUCER, prepared=False)
SUBMITTING = Program("submitting", PRODUCER, prepared=True)
WORKING = Program("working", WORKER, prepared=True)


def sweep(seed: int, at_most: int, say: Callable[[str], None]) -> Found:
    """Kill each program at each of its calls; `at_most`: so many kills of each, evenly spread from where the
    seed says, 0: all."""
    found = Found(f"kill -9 at each {CALLS.replace(',', ', ')}", WINDOWS)
    for program in (CREATING, SUBMITTING, WORKING):
        calls = _calls(program, seed, at_most)
        say(f"{program.name}: {len(calls)} system calls")
        for call in calls:
            kill_at(program, call, found)
    return found


def _calls(program: Program, seed: int, at_most: int) -> Sequence[int]:
    last = furthest(program)
    step = max(1, last // at_most) if at_most else 1
    return range(1 + seed % step, last + 1, step)


def furthest(program: Program) -> int:
    """The most of `CALLS` that one thread of this program makes."""
    with tempfile.TemporaryDirectory(prefix="hypern-crash-") as directory:
        fleet = _prepared(program, Path(directory))
        trace = fleet.home / "trace"
        _run(fleet, program.role, [strace(), "-f", "-qq", "-o", str(trace), "-e", f"trace={CALLS}"])
        threads = [line.split()[0] for line in trace.read_text().splitlines() if "resumed" not in line]
        return max(map(threads.count, set(threads)), default=1)


def kill_at(program: Program, call: int, found: Found) -> None:
    """One kill at this call, a drain and a judgement, added to what was found.

    Nothing is counted if the program ends before it comes to that call, which the last ones may do: which
    thread does what differs from run to run.
    """
    with tempfile.TemporaryDirectory(prefix="hypern-crash-") as directory:
        fleet = Fleet(Path(directory), f"sqlite:///{directory}/tasks.db")
        tables = SQLiteTables(Path(directory) / "tasks.db")
        watch = Watch(tables)
        before = len(found.broken)
        try:
            fleet = _prepared(program, Path(directory))
            victim = fleet.start(
                program.role, program.role, point=SYSTEM_CALL, count=TASKS, before=killing_at(call)
            )
            found.cycles += fleet.wait_death(victim, ENDS_WITHIN)
            acked = {line.id for line in read(fleet.home / ACKS) if line.what == "acked"}
            found.broken += watch.look(acked, fleet.deaths)
            _drain(fleet)
            found.judge(fleet.home, fleet.deaths, watch.orphans, look(fleet), tables)
        except HarnessError as error:
            found.broken.append(f"the run stopped: {error}")
        finally:
            fleet.end()
        found.broken[before:] = [f"{text} ({program.name}, call {call})" for text in found.broken[before:]]


def _prepared(program: Program, home: Path) -> Fleet:
    fleet = Fleet(home, f"sqlite:///{home / 'tasks.db'}")
    if program.prepared:
        _run(fleet, PRODUCER)
    return fleet


def _run(fleet: Fleet, role: str, before: Sequence[str] = ()) -> None:
    member = fleet.start(role, role, count=TASKS, before=before)
    try:
        code = member.process.wait(ENDS_WITHIN)
    finally:
        fleet.end()
    if code != 0:
        raise HarnessError(f"{member.who} ended with {code}:\n{fleet.log(member)}")


def _drain(fleet: Fleet) -> None:
    worker = fleet.start("drain", WORKER)
    fleet.wait_up(worker)
    wait_drained(SQLiteTables(fleet.home / "tasks.db"), ENDS_WITHIN)
    code = fleet.stop(worker)
    if code != 0:
        raise HarnessError(f"{worker.who} ended with {code} after SIGTERM:\n{fleet.log(worker)}")
