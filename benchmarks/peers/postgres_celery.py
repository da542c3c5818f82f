"""Celery on RabbitMQ, each publish confirmed, results in Redis; two processes, prefetch 64."""

import os
import sys

from celery import Celery
from durable_measure import Peer, main
from durable_tasks import DIRECTORY, REDIS_URL, do_nothing, note_start
from redis import Redis

QUEUE = f"bench-{DIRECTORY.name}"

app = Celery("postgres_celery", broker=os.environ["BENCH_RABBITMQ"], backend=f"{REDIS_URL}/1")
app.conf.worker_prefetch_multiplier = 64
app.conf.task_default_queue = QUEUE
app.conf.broker_transport_options = {"confirm_publish": True}


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
    with app.connection_for_read() as connection:
        return connection.default_channel.queue_declare(QUEUE, passive=True).message_count


async def done():
    return sum(1 for _ in Redis.from_url(f"{REDIS_URL}/1").scan_iter("celery-task-meta-*", count=5000))


def delete_queue():
    """The broker outlives this program."""
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(QUEUE)


WORKER = (
    sys.executable,
    *[
        "-m",
        "celery",
        "-A",
        "postgres_celery",
        "worker",
        "--loglevel",
        "error",
        "-Q",
        QUEUE,
        "-n",
        f"{QUEUE}@%h",
    ],
    *["--without-gossip", "--without-mingle", "--without-heartbeat", "-P", "prefork", "-c", "2"],
)

if __name__ == "__main__":
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later, end=delete_queue))
