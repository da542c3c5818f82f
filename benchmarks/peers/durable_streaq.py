"""streaQ on Redis, coroutine tasks, 32 at a time, on uvloop."""

import sys

from durable_measure import Peer, main
from durable_tasks import REDIS_URL, do_nothing, note_start
from streaq import Worker

worker = Worker(redis_url=REDIS_URL, concurrency=32, anyio_kwargs={"use_uvloop": True})


@worker.task(name="noop", silent=True)
async def noop(text: str, data: dict) -> dict:
    return do_nothing(text, data)


@worker.task(name="start", silent=True)
async def start(moment: float) -> None:
    note_start(moment)


async def begin():
    """Stay connected until the process ends."""
    await worker.__aenter__()


async def submit(text, data):
    return await noop.enqueue(text, data)


async def submit_start(moment):
    return await start.enqueue(moment)


async def submit_later(seconds, moment):
    return await start.enqueue(moment).start(delay=int(seconds))


async def waiting():
    return await worker.queue_size()


async def done():
    """It has no way to count results, so the keys are counted that it keeps them under."""
    kept = 0
    async for _ in worker.redis.scan_iter(match=f"{worker.results_key}*", count=5000):
        kept += 1
    return kept


WORKER = (sys.executable, "-m", "streaq", "run", "durable_streaq:worker")

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later, begin))
