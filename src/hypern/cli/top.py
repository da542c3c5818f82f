"""`hypern top`: what goes on in a store, live in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Any

import msgspec

from hypern.cli.arguments import Commands, seconds
from hypern.cli.described import local, span, took
from hypern.cli.looking import add_json, add_store, looking, wants_json
from hypern.cli.output import counted, cut, safe, say, say_json, table
from hypern.cli.queues import HEADINGS, all_queues, as_data, row
from hypern.config import without_password
from hypern.records import TaskRecord, TaskStatus
from hypern.stores.base import WorkerState
from hypern.stores.overview import Filter
from hypern.stores.pulse import Tally, beat_at, percentile, together
from hypern.tasks.engine import Engine

_MOST_RUNNING = 20
_LEAST_PAUSE = 0.1
# Seconds over which a rate is taken.
_OF_LATE = 30
# Another page of the terminal, without a cursor; and back.
_OPEN, _CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
_QUIT = (b"q", b"Q", b"\x1b", b"\x03", b"\x04")


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "top",
        help="watch what goes on, live",
        description="Watch what goes on in a store: queues, tasks by name, processes, what runs. q ends it.",
        allow_abbrev=False,
    )
    add_store(command)
    add_json(command)
    command.add_argument("--once", action="store_true", help="say it once, and end")
    command.add_argument(
        "--every", type=seconds, default=1.0, metavar="SECONDS", help="look so often (%(default)s)"
    )
    command.add_argument(
        "--window",
        type=seconds,
        default=300.0,
        metavar="SECONDS",
        help="of the tasks that ended in the last so many seconds (%(default)g)",
    )
    command.set_defaults(do=top)


def top(given: argparse.Namespace) -> None:
    """Once; or again and again, in a terminal on a page of its own."""
    with looking(given) as engine:
        if wants_json(given):
            say_json(_data(engine, given.window))
        elif given.once or not sys.stdout.isatty():
            for line in frame(engine, given.window):
                say(line)
        else:
            _live(engine, given.window, max(_LEAST_PAUSE, given.every))


def frame(engine: Engine, window: float) -> list[str]:
    """All of it, in lines of any length."""
    workers = engine.store.workers() or []
    queues = all_queues(engine)
    running = _running(engine)
    submitted = sum(totals.submitted for totals, _ in queues)
    waiting = sum(totals.waiting for totals, _ in queues)
    lines = [
        safe(f"{without_password(engine.settings.task_store)}  {local(engine.clock.wall())}"),
        f"{submitted:,} submitted, {waiting:,} waiting, {counted(len(workers), 'process', 'processes')}",
        "",
        *table(HEADINGS, [row(*queue) for queue in queues]),
    ]
    seen = _seen(engine, window)
    if seen:
        headings = ("TASK", "RATE", "FAILED", "RAN p50", "p95", "p99", "WAITED p95", "RETRIED")
        lines += ["", f"what ended in the last {span(window)}, and the rate of the last {_OF_LATE} s"]
        lines += table(headings, [_seen_row(one) for one in seen])
    if workers:
        lines += [
            "",
            *table(
                ("PROCESS", "HOST", "UP", "THREADS", "QUEUES", "DOES NOT KNOW"), _workers(engine, workers)
            ),
        ]
    if running:
        lines += [
            "",
            *table(
                ("RUNNING", "FOR", "ATTEMPT", "TASK", "PROGRESS"),
                [_running_row(engine, one) for one in running],
            ),
        ]
    elif waiting and not workers:
        lines += ["", "No process runs tasks of this store."]
    return lines


class _Seen(msgspec.Struct, frozen=True):
    """What ended of a task: in all of the window, and how many a second of late."""

    name: str
    tally: Tally
    rate: float


def _seen(engine: Engine, window: float) -> list[_Seen]:
    """By name, those first of which most have ended."""
    now = engine.clock.wall()
    beats = engine.store.pulse(now - window)
    # A beat is not taken apart.
    late = beat_at(now - min(window, _OF_LATE))
    rates = {
        name: _ended(tally) / max(1.0, now - late)
        for name, tally in together(beat for beat in beats if beat.at >= late)
    }
    seen = [_Seen(name, tally, rates.get(name, 0.0)) for name, tally in together(beats)]
    return sorted(seen, key=lambda one: -_ended(one.tally))


def _ended(tally: Tally) -> int:
    return tally.completed + tally.failed + tally.cancelled


def _seen_row(seen: _Seen) -> tuple[object, ...]:
    tally = seen.tally
    ended = _ended(tally)
    return (
        seen.name,
        f"{seen.rate:,.2f} /s",
        f"{100 * tally.failed / ended:.1f} %" if ended else "",
        *(_share(tally.ran, part) for part in (0.5, 0.95, 0.99)),
        _share(tally.waited, 0.95),
        f"{tally.retried:,}",
    )


def _share(histogram: dict[int, int], part: float) -> str:
    found = percentile(histogram, part)
    return "" if found is None else span(found)


def _shares(histogram: dict[int, int]) -> dict[str, float | None]:
    return {f"p{part}": percentile(histogram, part / 100) for part in (50, 95, 99)}


def _workers(engine: Engine, workers: list[WorkerState]) -> list[tuple[object, ...]]:
    now = engine.clock.wall()
    return [
        (
            worker.pid,
            worker.host,
            span(max(0.0, now - worker.started_at)),
            worker.workers,
            "all" if worker.queues is None else ", ".join(worker.queues),
            ", ".join(worker.unknown),
        )
        for worker in workers
    ]


def _running(engine: Engine) -> list[TaskRecord]:
    return engine.store.page(Filter((TaskStatus.RUNNING,)), None, _MOST_RUNNING).records


def _running_row(engine: Engine, record: TaskRecord) -> tuple[object, ...]:
    progress = record.progress
    said = "" if progress is None else f"{progress.fraction:.0%} {progress.message or ''}"
    return (record.id, took(engine, record), record.attempt, record.name, said)


def _data(engine: Engine, window: float) -> dict[str, Any]:
    return {
        "at": engine.clock.wall(),
        "window": window,
        "queues": [as_data(*queue) for queue in all_queues(engine)],
        "tasks": [
            {
                "name": seen.name,
                "rate": seen.rate,
                "completed": seen.tally.completed,
                "failed": seen.tally.failed,
                "cancelled": seen.tally.cancelled,
                "retried": seen.tally.retried,
                "ran": _shares(seen.tally.ran),
                "waited": _shares(seen.tally.waited),
            }
            for seen in _seen(engine, window)
        ],
        "processes": [
            {
                "pid": worker.pid,
                "host": worker.host,
                "started_at": worker.started_at,
                "threads": worker.workers,
                "queues": worker.queues,
                "unknown": list(worker.unknown),
            }
            for worker in engine.store.workers() or []
        ],
        "running": [
            {"id": record.id, "name": record.name, "started_at": record.started_at}
            for record in _running(engine)
        ],
    }


def _live(engine: Engine, window: float, every: float) -> None:
    with _page():
        while True:
            columns, rows = shutil.get_terminal_size()
            lines = frame(engine, window)[: rows - 1]
            shown = "".join(f"{cut(line, columns)}{_TO_END_OF_LINE}\n" for line in lines)
            _show(f"{_HOME}{shown}{_TO_END}")
            if _is_quit(every):
                return


@contextlib.contextmanager
def _page() -> Iterator[None]:
    """A page of the terminal for as long as this lasts, and keys as they are pressed."""
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    # So that the terminal is left as it was, whatever ends the program.
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if before is not None:
            tty.setcbreak(sys.stdin)
        _show(_OPEN)
        yield
    finally:
        _show(_CLOSE)
        if before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, handler)


def _is_quit(wait: float) -> bool:
    """Whether a key is pressed within so many seconds that ends it."""
    if not sys.stdin.isatty():
        time.sleep(wait)
        return False
    end = time.monotonic() + wait
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([sys.stdin], [], [], left)
        if ready:
            key = os.read(sys.stdin.fileno(), 1)
            return not key or key in _QUIT
    return False


def _show(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()
