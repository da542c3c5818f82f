"""Oban on psycopg: 20 coroutines. It keeps the state of a job that ended; results only where a job asks for
that, which the no-op does."""

import asyncio
import sys

from durable_measure import Peer, main, run
from durable_tasks import DATA, POSTGRES_URL, TEXT, do_nothing, note_start
from oban import Oban, Record, worker
from oban.schema import install

IN_ONE_CALL = 1_000


@worker(queue="default")
class Noop:
    async def process(self, job):
        return Record(do_nothing(job.args["text"], job.args["data"]))


@worker(queue="default")
class Start:
    async def process(self, job):
        note_start(job.args["moment"])


async def begin():
    global oban, pool
    pool = await Oban.create_pool(POSTGRES_URL)
    await install(pool)
    oban = Oban(pool=pool)
    await oban.start()


async def submit(text, data):
    return await oban.enqueue(Noop.new({"text": text, "data": data}))


async def submit_start(moment):
    return await oban.enqueue(Start.new({"moment": moment}))


async def submit_later(seconds, moment):
    return await oban.enqueue(Start.new({"moment": moment}, schedule_in=seconds))


async def submit_bulk(count):
    for first in range(0, count, IN_ONE_CALL):
        size = min(IN_ONE_CALL, count - first)
        await oban.enqueue_many(Noop.new({"text": TEXT, "data": DATA}) for _ in range(size))


async def count(state):
    async with pool.connection() as connection:
        found = await connection.execute("SELECT count(*) FROM oban_jobs WHERE state = %s", (state,))
        return (await found.fetchone())[0]


async def waiting():
    return await count("available")


async def done():
    return await count("completed")


async def work():
    async with Oban(pool=await Oban.create_pool(POSTGRES_URL), queues={"default": 20}):
        await asyncio.Event().wait()


WORKER = (sys.executable, "postgres_oban.py", "worker")

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run(work)
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later, begin, submit_bulk))
