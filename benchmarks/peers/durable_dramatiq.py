"""Dramatiq on Redis, results kept in another database of it."""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from durable_measure import Peer, main
from durable_tasks import REDIS_URL, do_nothing, note_start
from redis import Redis

BROKER, RESULTS = f"{REDIS_URL}/0", f"{REDIS_URL}/1"

broker = RedisBroker(url=BROKER)
broker.add_middleware(Results(backend=RedisBackend(url=RESULTS), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(text, data):
    return do_nothing(text, data)


@dramatiq.actor
def start(moment):
    note_start(moment)


async def submit(text, data):
    return noop.send(text, data)


async def submit_start(moment):
    return start.send(moment)


async def submit_later(seconds, moment):
    return start.send_with_options(args=(moment,), delay=int(seconds * 1000))


async def waiting():
    return Redis.from_url(BROKER).llen("dramatiq:default")


async def done():
    return Redis.from_url(RESULTS).dbsize()


WORKER = (sys.executable, "-m", "dramatiq", "durable_dramatiq", "--processes", "1", "--threads", "8")

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
