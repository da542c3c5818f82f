"""Celery on Redis, its results in another database of it; the pool is what `BENCH_POOL` says."""

import os
import sys

from celery import Celery
from durable_measure import Peer, main
from durable_tasks import REDIS_URL, do_nothing, note_start
from redis import Redis

BROKER, RESULTS = f"{REDIS_URL}/0", f"{REDIS_URL}/1"
POOLS = {"prefork": ("-P", "prefork", "-c", "2"), "threads": ("-P", "threads", "-c", "8")}

app = Celery("durable_celery", broker=BROKER, backend=RESULTS)
app.conf.worker_prefetch_multiplier = 64


@app.task(name="noop")
def noop(text, data):
    return do_nothing(text, data)


@app.task(name="start")
def start(moment):
    note_start(moment)


async def submit(text, data):
    return noop.delay(text, data)


async def submit_start(moment):
    return start.delay(moment)


async def submit_later(seconds, moment):
    return start.apply_async((moment,), countdown=seconds)


async def waiting():
    return Redis.from_url(BROKER).llen("celery")


async def done():
    return sum(1 for _ in Redis.from_url(RESULTS).scan_iter("celery-task-meta-*", count=5000))


WORKER = (
    sys.executable,
    *["-m", "celery", "-A", "durable_celery", "worker", "--loglevel", "error"],
    *["--without-gossip", "--without-mingle", "--without-heartbeat"],
    *POOLS[os.environ.get("BENCH_POOL", "prefork")],
)

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
