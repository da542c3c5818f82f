"""Measures one durable task system: `submit COUNT`, `bulk COUNT`, `drain COUNT WORKERS` or
`pickup COUNT PER_SECOND IDLE_SECONDS`.

Everything here is the submitting process. Workers are processes of their own, in the same process group, so
that whoever runs this program ends them with it. A system is a `Peer`; all its verbs are coroutine functions,
because some peers have no others, and a coroutine that never waits costs the rest next to nothing.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from durable_tasks import DATA, DIRECTORY, TEXT, runs, starts

WARM_UP = 20
STARTS_WITHIN = 30.0
ENDS_WITHIN = 200.0
LOOK_EVERY = 0.002
SETTLES_IN = 0.3
DELAYED, DELAY_SECONDS = 50, 1.0
GATE = DIRECTORY / "gate"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Peer:
    """What is asked of a task system.

    `submit(text, data)`: hand over the no-op. `submit_start(moment)`: hand over `note_start`.
    `submit_later(seconds, moment)`: the same, delayed; None: it has no delays. `waiting`: how many tasks
    its own store says are waiting. `done`: how many it says have a result kept. `worker`: the command of a
    worker process. `begin`: called first. `submit_bulk(count)`: hand over so many no-ops in as few calls as
    the system advises. `end`: called when all has been measured.
    """

    submit: Callable[[str, dict], Awaitable[object]]
    submit_start: Callable[[float], Awaitable[object]]
    waiting: Callable[[], Awaitable[int]]
    done: Callable[[], Awaitable[int]]
    worker: Sequence[str]
    submit_later: Callable[[float, float], Awaitable[object]] | None = None
    begin: Callable[[], Awaitable[object]] | None = None
    submit_bulk: Callable[[int], Awaitable[object]] | None = None
    end: Callable[[], object] | None = None


class Worker:
    """A worker process and what it writes."""

    def __init__(self, command: Sequence[str], number: int) -> None:
        self._log = DIRECTORY / f"worker-{number}.log"
        with self._log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def check(self) -> None:
        """Give up, with the worker's last line, if it has ended."""
        if self.process.poll() is not None:
            lines = self._log.read_text().strip().splitlines() or ["(it printed nothing)"]
            sys.exit(f"the worker ended with {self.process.returncode}: {lines[-1]}")


async def until(condition: Callable[[], bool], workers: Sequence[Worker], within: float, what: str) -> None:
    give_up = time.monotonic() + within
    while not condition():
        for worker in workers:
            worker.check()
        if time.monotonic() > give_up:
            sys.exit(f"{what} after {within:.0f} s ({runs()} no-ops ran, {len(starts())} starts)")
        await asyncio.sleep(LOOK_EVERY)


async def submit(peer: Peer, count: int) -> dict[str, float]:
    """Submit no-ops one after the other while nobody runs them."""
    for _ in range(WARM_UP):
        await peer.submit(TEXT, DATA)
    seconds = []
    begin = last = time.perf_counter()
    for _ in range(count):
        await peer.submit(TEXT, DATA)
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
    return {
        "submits_per_second": count / (last - begin),
        "p50_us": share(seconds, 0.5) * 1e6,
        "p99_us": share(seconds, 0.99) * 1e6,
        "kept_per_submit": (await peer.waiting() - WARM_UP) / count,
    }


async def bulk(peer: Peer, count: int) -> dict[str, float]:
    """Submit no-ops many at a time while nobody runs them."""
    assert peer.submit_bulk is not None
    await peer.submit(TEXT, DATA)
    begin = time.perf_counter()
    await peer.submit_bulk(count)
    seconds = time.perf_counter() - begin
    return {"submits_per_second": count / seconds, "kept_per_submit": (await peer.waiting() - 1) / count}


async def drain(peer: Peer, count: int, workers: int) -> dict[str, float]:
    """Queue no-ops, then start workers; from the first run seen until all ran and all results are kept."""
    if peer.submit_bulk is not None:
        await peer.submit_bulk(count)
    else:
        for _ in range(count):
            await peer.submit(TEXT, DATA)
    crew = await start_together(peer.worker, workers)
    await until(lambda: runs() > 0, crew, STARTS_WITHIN, "no task had run")
    begin, before = time.perf_counter(), runs()
    await until(lambda: runs() >= count, crew, ENDS_WITHIN, f"not all of {count} tasks had run")
    ran = time.perf_counter()
    while await peer.done() < count and time.perf_counter() < ran + STARTS_WITHIN:
        await asyncio.sleep(LOOK_EVERY)
    end = time.perf_counter()
    await asyncio.sleep(SETTLES_IN)
    return {
        "tasks_per_second": (count - before) / (end - begin),
        "runs_per_task": runs() / count,
        "kept_per_task": await peer.done() / count,
    }


async def start_together(command: Sequence[str], count: int) -> list[Worker]:
    """Several workers are held back until all of them could begin, or the first would have done the work."""
    if count > 1:
        GATE.touch()
    crew = [Worker(command, number) for number in range(count)]
    if count > 1:
        await until(
            lambda: len(list(DIRECTORY.glob("ready-*"))) == count, crew, STARTS_WITHIN, "not all began"
        )
        GATE.unlink()
    return crew


def ready_workers() -> list[Path]:
    return list(DIRECTORY.glob("ready-*"))


def pass_the_gate() -> None:
    """In a worker that is ready to begin."""
    if GATE.exists():
        (DIRECTORY / f"ready-{os.getpid()}").touch()
        while GATE.exists():
            time.sleep(0.001)


async def pickup(peer: Peer, count: int, per_second: float, idle_seconds: float) -> dict[str, float]:
    """Seconds from the submit call to the first line in an idle worker, its idle cost, and its lateness."""
    crew = [Worker(peer.worker, 0)]
    for number in range(WARM_UP):
        await peer.submit_start(time.monotonic())
        await until(lambda n=number: len(starts()) > n, crew, STARTS_WITHIN, "a warm-up task had not run")
    idle = await idle_share(crew[0], idle_seconds)
    begin = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
        await peer.submit_start(time.monotonic())
    expected = WARM_UP + count
    await until(lambda: len(starts()) >= expected, crew, ENDS_WITHIN, "not all tasks had started")
    await asyncio.sleep(SETTLES_IN)
    seconds = starts()[WARM_UP:]
    figures = {
        "p50_ms": share(seconds, 0.5) * 1e3,
        "p99_ms": share(seconds, 0.99) * 1e3,
        "idle_percent": idle * 100,
        "runs_per_task": len(seconds) / count,
    }
    return figures | await lateness(peer, crew)


async def lateness(peer: Peer, crew: Sequence[Worker]) -> dict[str, float]:
    """How late delayed tasks start that are due one after the other. Nothing for a peer without delays."""
    if peer.submit_later is None:
        return {}
    before = len(starts())
    expected = before + DELAYED
    for _ in range(DELAYED):
        await peer.submit_later(DELAY_SECONDS, time.monotonic() + DELAY_SECONDS)
        await asyncio.sleep(0.03)
    await until(lambda: len(starts()) >= expected, crew, ENDS_WITHIN, "not all delayed tasks had started")
    late = starts()[before:]
    return {
        "earliest_ms": min(late) * 1e3,
        "late_p50_ms": share(late, 0.5) * 1e3,
        "late_p99_ms": share(late, 0.99) * 1e3,
    }


async def idle_share(worker: Worker, seconds: float) -> float:
    """The share of one core that a worker and its children use while there is nothing to do."""
    before = cpu_seconds(worker.process.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(worker.process.pid) - before) / seconds


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all below it that are alive, from /proc."""
    parents: dict[int, list[int]] = {}
    spent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it ended meanwhile
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            spent[int(entry.name)] = int(fields[11]) + int(fields[12])
    family = [pid]
    for member in family:
        family.extend(parents.get(member, ()))
    return sum(spent.get(member, 0) for member in family) / TICKS


def share(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main(peer: Peer) -> None:
    mode, count, *rest = sys.argv[1:]

    async def measure() -> None:
        if peer.begin is not None:
            await peer.begin()
        match mode:
            case "submit":
                figures = await submit(peer, int(count))
            case "bulk":
                figures = await bulk(peer, int(count))
            case "drain":
                figures = await drain(peer, int(count), int(rest[0]))
            case _:
                figures = await pickup(peer, int(count), float(rest[0]), float(rest[1]))
        if peer.end is not None:
            peer.end()
        finish(figures)

    run(measure)


def run(measure: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On uvloop where the environment has it."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(measure())
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure())


def finish(figures: dict[str, float]) -> NoReturn:
    """Print the figures and leave at once: what a system does when it is stopped is not measured here."""
    print(json.dumps(figures), flush=True)
    os._exit(0)
