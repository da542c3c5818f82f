"""The two tasks that every durable peer runs, and how a process that did not run them counts the runs.

A run is one write to a file opened with O_APPEND, so that runs of several processes add up and a task that
is run twice shows. Imported by name (`import durable_tasks`) because each peer has an environment of its own.
"""

import os
import time
from pathlib import Path

DIRECTORY = Path(os.environ["BENCH_DIRECTORY"])
REDIS_URL = os.environ.get("BENCH_REDIS", "")
POSTGRES_URL = os.environ.get("BENCH_POSTGRES", "")
RUNS = DIRECTORY / "runs"
STARTS = DIRECTORY / "starts"

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_runs = os.open(RUNS, _APPEND)
_starts = os.open(STARTS, _APPEND)

TEXT = "ann@example.com"
DATA = {"name": "Ann", "visits": 3, "premium": True}


def count_run() -> None:
    os.write(_runs, b".")


def do_nothing(text: str, data: dict) -> dict:
    """The no-op: a text and a dict of three keys in, a dict out."""
    count_run()
    return {"to": text, "name": data["name"]}


def note_start(moment: float) -> None:
    """Write down how many seconds after `moment` this line was reached (CLOCK_MONOTONIC is the machine's)."""
    os.write(_starts, b"%.9f\n" % (time.monotonic() - moment))


def runs() -> int:
    return RUNS.stat().st_size


def starts() -> list[float]:
    return [float(line) for line in STARTS.read_text().splitlines()]
