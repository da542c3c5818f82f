"""Ours: `delayed_hypern.py COUNT IDLE_SECONDS` keeps COUNT delayed tasks waiting, then lets others fall due.

Due times are random, so that each submit finds its place among all that wait already. Of ten blocks the
quickest is taken, because what other programs do meanwhile only ever makes one slower.
"""

import json
import os
import random
import sys
import time

from measure import expect, noop, wait
from process_memory import resident_bytes

from hypern import Hypern, submit_task

BLOCK = 1_000
COMPARED_BLOCKS = 10
FIRST_BLOCKS = 10_000 // BLOCK
FALLING_DUE = 2_000
DUE_AFTER, DUE_WITHIN = 1.0, 4.0

lateness: list[float] = []


def never() -> None:
    raise AssertionError("this task is due in an hour at the earliest")


def note_lateness(due: float) -> None:
    lateness.append(time.monotonic() - due)
    noop()


def fill(count: int) -> list[float]:
    """Submit `count` tasks that are due in one to two hours; seconds for each block of them."""
    seconds = []
    for _ in range(count // BLOCK):
        waits = [3600 + random.random() * 3600 for _ in range(BLOCK)]
        start = time.perf_counter()
        for wait_seconds in waits:
            submit_task(never, delay_seconds=wait_seconds)
        seconds.append(time.perf_counter() - start)
    return seconds


def idle_share(seconds: float) -> float:
    """The share of one core that this process uses while it only waits."""
    before = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - before) / seconds


def fall_due() -> None:
    expect(FALLING_DUE)
    for number in range(FALLING_DUE):
        delay = DUE_AFTER + number / FALLING_DUE * DUE_WITHIN
        submit_task(note_lateness, args=(time.monotonic() + delay,), delay_seconds=delay)
    wait()


def main(count: int, idle_seconds: float) -> dict[str, float]:
    Hypern(task_workers=4, task_queue_size=count + FALLING_DUE)
    expect(1)
    submit_task(noop)
    wait()
    memory = resident_bytes()
    blocks = fill(count)
    bytes_each = (resident_bytes() - memory) / count
    idle = idle_share(idle_seconds)
    fall_due()
    ordered = sorted(lateness)
    early_blocks = blocks[FIRST_BLOCKS - COMPARED_BLOCKS : FIRST_BLOCKS]
    return {
        "bytes_each": bytes_each,
        "submit_us_at_10k": min(early_blocks) / BLOCK * 1e6,
        "submit_us_at_full": min(blocks[-COMPARED_BLOCKS:]) / BLOCK * 1e6,
        "submit_us_mean": sum(blocks) / count * 1e6,
        "idle_percent": idle * 100,
        "earliest_ms": ordered[0] * 1e3,
        "late_p50_ms": ordered[len(ordered) // 2] * 1e3,
        "late_p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
    }


if __name__ == "__main__":
    figures = main(int(sys.argv[1]), float(sys.argv[2]))
    print(json.dumps(figures), flush=True)
    os._exit(0)
