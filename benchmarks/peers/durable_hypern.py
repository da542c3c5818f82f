"""Ours on SQLite, or on the PostgreSQL that is named: what `durable_measure` measures of any system, and
submitting by many at once.

`submit-threads COUNT THREADS`, `submit-coroutines COUNT COROUTINES`, `submit-many COUNT`; a worker process
is the same program with `worker`. A process that submits runs no tasks itself (`task_workers=0`).
"""

import asyncio
import sys
import threading
import time

import durable_measure
from durable_tasks import DATA, DIRECTORY, POSTGRES_URL, TEXT, do_nothing, note_start

from hypern import Hypern, TaskStatus, background, submit_many

FILE = DIRECTORY / "hypern.db"
TASK_WORKERS = 4
IS_WORKER = sys.argv[1:2] == ["worker"]

app = Hypern(task_store=POSTGRES_URL or f"sqlite:///{FILE}", task_workers=TASK_WORKERS if IS_WORKER else 0)


@background()
def noop(text: str, data: dict) -> dict:
    return do_nothing(text, data)


@background()
def start(moment: float) -> None:
    note_start(moment)


async def submit(text, data):
    return noop(text, data)


async def submit_start(moment):
    return start(moment)


async def submit_later(seconds, moment):
    return start.with_options(delay_seconds=seconds)(moment)


def count(status: TaskStatus) -> int:
    return app.engine.store.count()[status]


async def submit_bulk(total):
    submit_many((noop, (TEXT, DATA)) for _ in range(total))


async def waiting():
    return count(TaskStatus.PENDING)


async def done():
    return count(TaskStatus.COMPLETED)


WORKER = (sys.executable, "durable_hypern.py", "worker")


def submit_from_threads(total: int, threads: int) -> float:
    """Seconds until `threads` threads have submitted `total` tasks between them."""
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        ready.wait()
        for _ in range(total // threads):
            noop(TEXT, DATA)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    for thread in crew:
        thread.start()
    ready.wait()
    begin = time.perf_counter()
    for thread in crew:
        thread.join()
    return time.perf_counter() - begin


def submit_from_coroutines(total: int, coroutines: int) -> float:
    """Seconds until that many coroutines have each awaited their share of `total` submits."""

    async def work() -> None:
        for _ in range(total // coroutines):
            await noop.submit_async(TEXT, DATA)

    async def all_of_them() -> float:
        begin = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(coroutines)))
        return time.perf_counter() - begin

    return asyncio.run(all_of_them())


def submit_at_once(total: int) -> float:
    begin = time.perf_counter()
    submit_many((noop, (TEXT, DATA)) for _ in range(total))
    return time.perf_counter() - begin


def by_many(mode: str, total: int, crew: int) -> dict[str, float]:
    for _ in range(durable_measure.WARM_UP):
        noop(TEXT, DATA)
    if mode == "submit-threads":
        seconds = submit_from_threads(total, crew)
    elif mode == "submit-coroutines":
        seconds = submit_from_coroutines(total, crew)
    else:
        seconds = submit_at_once(total)
    kept = count(TaskStatus.PENDING) - durable_measure.WARM_UP
    return {"submits_per_second": total / seconds, "kept_per_submit": kept / total}


def work_until_killed() -> None:
    durable_measure.pass_the_gate()
    app.engine.start()
    threading.Event().wait()


if __name__ == "__main__":
    if IS_WORKER:
        work_until_killed()
    if sys.argv[1].startswith("submit-"):
        durable_measure.finish(by_many(sys.argv[1], int(sys.argv[2]), int((sys.argv[3:] or "1")[0])))
    # On SQLite the others have nothing for many at once, and ours shall not have either.
    many = submit_bulk if POSTGRES_URL else None
    durable_measure.main(
        durable_measure.Peer(submit, submit_start, waiting, done, WORKER, submit_later, submit_bulk=many)
    )
