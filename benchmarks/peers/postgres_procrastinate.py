"""Procrastinate on psycopg: 20 coroutines. It keeps the state of a job that ended, and no result."""

import sys

from durable_measure import Peer, main, run
from durable_tasks import DATA, POSTGRES_URL, TEXT, do_nothing, note_start
from procrastinate import App, PsycopgConnector

IN_ONE_CALL = 1_000

app = App(connector=PsycopgConnector(conninfo=POSTGRES_URL))


@app.task(name="noop")
async def noop(text, data):
    return do_nothing(text, data)


@app.task(name="start")
async def start(moment):
    note_start(moment)


async def begin():
    await app.open_async()
    await app.schema_manager.apply_schema_async()


async def submit(text, data):
    return await noop.defer_async(text=text, data=data)


async def submit_start(moment):
    return await start.defer_async(moment=moment)


async def submit_later(seconds, moment):
    return await start.configure(schedule_in={"seconds": seconds}).defer_async(moment=moment)


async def submit_bulk(count):
    for first in range(0, count, IN_ONE_CALL):
        size = min(IN_ONE_CALL, count - first)
        await noop.batch_defer_async(*[{"text": TEXT, "data": DATA}] * size)


async def count(status):
    row = await app.connector.execute_query_one_async(
        "SELECT count(*) AS number FROM procrastinate_jobs WHERE status = %(status)s", status=status
    )
    return row["number"]


async def waiting():
    return await count("todo")


async def done():
    return await count("succeeded")


async def work():
    async with app.open_async():
        await app.run_worker_async(concurrency=20)


WORKER = (sys.executable, "postgres_procrastinate.py", "worker")

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run(work)
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later, begin, submit_bulk))
