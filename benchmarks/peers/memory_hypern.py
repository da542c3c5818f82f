"""Ours: `memory_hypern.py COUNT…` runs tasks with default retention and notes the memory after each COUNT."""

import json
import os
import sys

from measure import expect, noop, wait
from process_memory import resident_bytes

from hypern import Hypern, background

BATCH = 5_000

app = Hypern(task_workers=4, task_queue_size=BATCH)


@background()
def work(number: int) -> dict[str, object]:
    noop()
    return {"number": number, "text": f"row {number}"}


def run_until(target: int, already_run: int) -> None:
    """Run tasks in batches, so that the queue itself stays small."""
    for start in range(already_run, target, BATCH):
        expect(BATCH)
        for number in range(start, start + BATCH):
            work(number)
        wait()


if __name__ == "__main__":
    run = 0
    figures = {"0": resident_bytes()}
    for target in map(int, sys.argv[1:]):
        run_until(target, run)
        run = target
        figures[str(target)] = resident_bytes()
    print(json.dumps(figures), flush=True)
    os._exit(0)
