"""SAQ on Redis, coroutine tasks, 32 at a time."""

import math
import sys
import time

from durable_measure import Peer, main
from durable_tasks import REDIS_URL, do_nothing, note_start
from saq import Queue

queue = Queue.from_url(REDIS_URL)


async def noop(_context, *, text, data):
    return do_nothing(text, data)


async def start(_context, *, moment):
    note_start(moment)


settings = {"queue": queue, "functions": [noop, start], "concurrency": 32}


async def submit(text, data):
    return await queue.enqueue("noop", text=text, data=data)


async def submit_start(moment):
    return await queue.enqueue("start", moment=moment)


async def submit_later(seconds, moment):
    """Its due times are whole seconds of the wall clock."""
    return await queue.enqueue("start", moment=moment, scheduled=math.ceil(time.time() + seconds))


async def waiting():
    return await queue.count("queued")


async def done():
    """Jobs that are kept and no longer incomplete."""
    kept = 0
    async for _ in queue.redis.scan_iter("saq:job:*", count=5000):
        kept += 1
    return kept - await queue.count("incomplete")


WORKER = (sys.executable, "-m", "saq", "durable_saq.settings", "--quiet")

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
