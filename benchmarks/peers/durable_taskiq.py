"""Taskiq on a Redis stream, results kept in another database of it, coroutine tasks.

Its workers know no delays: for those it has a scheduler, a process of its own that looks once a second.
"""

import sys

from durable_measure import Peer, main
from durable_tasks import REDIS_URL, do_nothing, note_start
from redis import Redis
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

BROKER, RESULTS = f"{REDIS_URL}/0", f"{REDIS_URL}/1"

broker = (
    RedisStreamBroker(BROKER)
    .with_result_backend(RedisAsyncResultBackend(RESULTS))
    .with_serializer(ORJSONSerializer())
)


@broker.task(task_name="noop")
async def noop(text: str, data: dict) -> dict:
    return do_nothing(text, data)


@broker.task(task_name="start")
async def start(moment: float) -> None:
    note_start(moment)


async def submit(text, data):
    return await noop.kiq(text, data)


async def submit_start(moment):
    return await start.kiq(moment)


async def waiting():
    return Redis.from_url(BROKER).xlen("taskiq")


async def done():
    return Redis.from_url(RESULTS).dbsize()


WORKER = (
    sys.executable,
    *["-m", "taskiq", "worker", "durable_taskiq:broker", "--workers", "1", "--log-level", "ERROR"],
    *["--max-async-tasks", "100", "--max-prefetch", "100"],
)

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, begin=broker.startup))
