"""PgQueuer on asyncpg: one connection, batches of 100. It keeps no results; of a job that ended, one line in
its log."""

import json
import sys
from datetime import timedelta

import asyncpg
from durable_measure import Peer, main, run
from durable_tasks import DATA, POSTGRES_URL, TEXT, do_nothing, note_start
from pgqueuer import PgQueuer, Queries

IN_ONE_CALL = 1_000


async def connect():
    return await asyncpg.connect(POSTGRES_URL)


async def begin():
    global queries, looking
    queries = Queries.from_asyncpg_connection(await connect())
    looking = await connect()
    await queries.install()


def payload(*arguments) -> bytes:
    return json.dumps(arguments).encode()


async def submit(text, data):
    return await queries.enqueue("noop", payload(text, data))


async def submit_start(moment):
    return await queries.enqueue("start", payload(moment))


async def submit_later(seconds, moment):
    return await queries.enqueue("start", payload(moment), execute_after=timedelta(seconds=seconds))


async def submit_bulk(count):
    for first in range(0, count, IN_ONE_CALL):
        size = min(IN_ONE_CALL, count - first)
        await queries.enqueue(["noop"] * size, [payload(TEXT, DATA)] * size, [0] * size)


async def waiting():
    return await looking.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")


async def done():
    return await looking.fetchval("SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'")


async def work():
    queuer = PgQueuer.from_asyncpg_connection(await connect())

    @queuer.entrypoint("noop")
    async def noop(job):
        do_nothing(*json.loads(job.payload))

    @queuer.entrypoint("start")
    async def start(job):
        note_start(*json.loads(job.payload))

    await queuer.run(batch_size=100)


WORKER = (sys.executable, "postgres_pgqueuer.py", "worker")

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run(work)
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later, begin, submit_bulk))
