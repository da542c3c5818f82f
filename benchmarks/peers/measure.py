"""Hands tasks to the engine it is given and times them: `throughput COUNT` or `latency COUNT PER_SECOND`.

Imported by name (`import measure`) because each program runs in an environment of its own. An engine is a
`declare` function: it takes the task's function and gives back what submits it.
"""

import itertools
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

Declare = Callable[[Callable[..., Any]], Callable[..., Any]]
WARM_UP = 1_000
ENDS_WITHIN = 240.0
LOOKED_UP = 100
TASK_WORKERS = 4
PENDING_LIMIT = 1_000_000

finished = threading.Event()
numbers = itertools.count(1)
last = 0
delays: list[int] = []


def noop() -> None:
    if next(numbers) == last:
        finished.set()


async def noop_async() -> None:
    if next(numbers) == last:
        finished.set()


def first_line(submitted: int) -> None:
    delays.append(time.perf_counter_ns() - submitted)
    noop()


async def first_line_async(submitted: int) -> None:
    delays.append(time.perf_counter_ns() - submitted)
    noop()


def expect(count: int) -> None:
    """From now on `finished` is set by the task with this number."""
    global numbers, last
    numbers, last = itertools.count(1), count
    finished.clear()


def wait() -> None:
    if not finished.wait(ENDS_WITHIN):
        sys.exit(f"only {next(numbers) - 1} of {last} tasks had run after {ENDS_WITHIN:.0f} s")


def throughput(
    submit: Callable[[], Any], count: int, is_done: Callable[[Any], bool] | None
) -> dict[str, float]:
    """Submit no-op tasks from this thread as fast as it goes, then wait until the last one is done."""
    expect(WARM_UP)
    for _ in range(WARM_UP):
        submit()
    wait()
    expect(count)
    start = time.perf_counter()
    handles = deque((submit() for _ in range(count)), maxlen=LOOKED_UP)
    submitted = time.perf_counter()
    wait()
    while is_done is not None and not all(is_done(handle) for handle in handles):
        time.sleep(0)
    done = time.perf_counter()
    return {
        "tasks_per_second": count / (done - start),
        "submits_per_second": count / (submitted - start),
        "tasks_per_submit": (next(numbers) - 1) / count,
    }


def latency(submit: Callable[[int], Any], count: int, per_second: float) -> dict[str, float]:
    """Submit at an even pace to an idle engine; µs from the submit call to the first line of the task."""
    expect(WARM_UP + count)
    for _ in range(WARM_UP):
        submit(time.perf_counter_ns())
    while len(delays) < WARM_UP:
        time.sleep(0.01)
    delays.clear()
    start = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, start + number / per_second - time.perf_counter()))
        submit(time.perf_counter_ns())
    wait()
    ordered = sorted(delay / 1e3 for delay in delays)
    return {
        "p50_us": ordered[len(ordered) // 2],
        "p99_us": ordered[int(len(ordered) * 0.99)],
        "max_us": ordered[-1],
        "tasks_per_submit": len(ordered) / count,
    }


def main(declare: Declare, *, coroutines: bool = False, is_done: Callable[[Any], bool] | None = None) -> None:
    mode, count, *rest = sys.argv[1:]
    if mode == "throughput":
        submit = declare(noop_async if coroutines else noop)
        finish(throughput(submit, int(count), is_done))
    submit = declare(first_line_async if coroutines else first_line)
    finish(latency(submit, int(count), float(rest[0])))


def finish(figures: dict[str, float]) -> None:
    """Print the figures and leave at once: what an engine does when it is stopped is not measured here."""
    print(json.dumps(figures), flush=True)
    os._exit(0)
