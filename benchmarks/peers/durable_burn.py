"""A task that only computes, and leaves a byte in a file for each run."""

import time

from durable_tasks import count_run

TASK_MILLISECONDS = 50


def burn() -> int:
    """Compute in Python until this thread has had that much of a processor."""
    end = time.thread_time() + TASK_MILLISECONDS / 1e3
    turns = 0
    while time.thread_time() < end:
        turns += sum(number * number for number in range(200))
    count_run()
    return turns
