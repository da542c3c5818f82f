"""Huey on SQLite; `BENCH_FSYNC=1` syncs each commit (what an id that is never lost needs), else none does."""

import os
import sys

from durable_measure import Peer, main
from durable_tasks import DIRECTORY, do_nothing, note_start
from huey import SqliteHuey

POLL_SECONDS = "0.01"

huey = SqliteHuey(filename=str(DIRECTORY / "huey.db"), fsync="BENCH_FSYNC" in os.environ)


@huey.task()
def noop(text, data):
    return do_nothing(text, data)


@huey.task()
def start(moment):
    note_start(moment)


async def submit(text, data):
    return noop(text, data)


async def submit_start(moment):
    return start(moment)


async def submit_later(seconds, moment):
    return start.schedule(args=(moment,), delay=seconds)


async def waiting():
    return huey.storage.queue_size()


async def done():
    return huey.storage.result_store_size()


WORKER = (
    sys.executable,
    *["-m", "huey.bin.huey_consumer", "durable_huey.huey", "-k", "thread", "-w", "4", "-C", "-q"],
    *f"-d {POLL_SECONDS} -m {POLL_SECONDS} -b 1 -s 1".split(),
)

if __name__ == "__main__":
    # By its real name, because Huey stores a task under the name of its module.
    from durable_huey import submit, submit_later, submit_start

    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
