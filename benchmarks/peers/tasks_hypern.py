"""Ours, through the public API: plain tasks, or coroutines with `--async` at the end."""

import sys

from measure import PENDING_LIMIT, TASK_WORKERS, main

from hypern import Hypern, background, get_task

app = Hypern(task_workers=TASK_WORKERS, task_queue_size=PENDING_LIMIT)


def is_done(task_id: str) -> bool:
    result = get_task(task_id)
    return result is not None and result.is_success()


if __name__ == "__main__":
    coroutines = sys.argv[-1] == "--async"
    main(background(), coroutines=coroutines, is_done=is_done)
