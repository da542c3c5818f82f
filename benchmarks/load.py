"""Drives wrk against a running server and counts the tasks that really ran."""

import json
import shutil
import subprocess
import time
from pathlib import Path

from benchmarks.processes import ContenderError, Figures, last_line, read_counts

SCRIPT = Path(__file__).resolve().parent / "post_user.lua"
CONNECTIONS = 64
DRAINED_WITHIN = 20.0


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("This case needs wrk, which is not on the PATH. Install it: apt-get install wrk")


def measure(port: int, warm_up: int, seconds: int) -> Figures:
    """Load POST /users for whole `seconds`: the figures of one round. Raises ContenderError."""
    press(port, warm_up)
    before = drained(port)
    result = press(port, seconds)
    at_end = read_counts(port)
    after = drained(port)
    saved = after["saved"] - before["saved"]
    if result["requests"] == 0 or saved == 0:
        raise ContenderError("wrk got no answers")
    return {
        "requests_per_second": result["requests"] / (result["microseconds"] / 1e6),
        "p50_ms": result["p50"] / 1e3,
        "p99_ms": result["p99"] / 1e3,
        "errors": result["refused"] + result["broken"],
        "tasks_per_request": (after["run"] - before["run"]) / saved,
        "tasks_waiting_at_end": at_end["saved"] - before["saved"] - (at_end["run"] - before["run"]),
    }


def press(port: int, seconds: int) -> Figures:
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "-s",
        str(SCRIPT),
        "--latency",
    ]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/users"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ContenderError(f"wrk: {last_line(done.stderr)}")
    return json.loads(done.stdout.splitlines()[-1])


def drained(port: int) -> Figures:
    """The counts, once every task has run or no more are running."""
    give_up = time.monotonic() + DRAINED_WITHIN
    counts = read_counts(port)
    while counts["run"] < counts["saved"] and time.monotonic() < give_up:
        time.sleep(0.1)
        earlier, counts = counts, read_counts(port)
        if counts == earlier:
            break
    return counts
