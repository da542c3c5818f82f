"""FlexiQ on SQLite: with its defaults, or with `BENCH_TUNED=1` 1,000 jobs each 5 ms, 8 threads.

It logs no line for a task here, as nobody else does. Its SQLite does not sync commits (NORMAL, in WAL).
"""

import os
import sys

from durable_measure import Peer, main
from durable_tasks import DIRECTORY, do_nothing, note_start
from flexiq import Queue

os.environ.setdefault("FLEXIQ_LOG_LEVEL", "ERROR")
TUNED = {"scheduler_batch_size": 1000, "scheduler_poll_interval_ms": 5, "workers": 8}

queue = Queue(db_path=str(DIRECTORY / "flexiq.db"), **(TUNED if "BENCH_TUNED" in os.environ else {}))


@queue.task(name="noop")
def noop(text, data):
    return do_nothing(text, data)


@queue.task(name="start")
def start(moment):
    note_start(moment)


async def submit(text, data):
    return noop.delay(text, data)


async def submit_start(moment):
    return start.delay(moment)


async def submit_later(seconds, moment):
    return start.apply_async((moment,), delay=seconds)


async def waiting():
    return queue.stats()["pending"]


async def done():
    return queue.stats()["completed"]


WORKER = (sys.executable, *["-m", "flexiq.cli", "worker", "--app", "durable_flexiq:queue"])

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
