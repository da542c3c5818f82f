"""Ours on PostgreSQL when a worker is killed: `postgres_kill.py ROUNDS`.

A worker runs four tasks that do not end, another one is idle, the first is killed with -9. Seconds until the
last of the four runs again. A worker process is the same program with `worker`.
"""

import asyncio
import signal
import sys
import threading
import time

import durable_measure
from durable_tasks import DIRECTORY, POSTGRES_URL

from hypern import Hypern, background

THREADS = 4
RUN_AGAIN_WITHIN = 60.0
IS_WORKER = sys.argv[1:2] == ["worker"]

app = Hypern(task_store=POSTGRES_URL, task_workers=THREADS if IS_WORKER else 0)


@background()
def hold(name: str) -> None:
    """Does not end when it is run first, and at once when it is run again."""
    mark = DIRECTORY / f"run-{name}"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        (DIRECTORY / f"again-{name}").touch()
        return
    threading.Event().wait()


@background()
def quick(name: str) -> None:
    (DIRECTORY / f"run-{name}").touch()


def there(*names: str):
    return lambda: all((DIRECTORY / name).exists() for name in names)


async def once(number: int) -> float:
    worker = (sys.executable, "postgres_kill.py", "worker")
    names = [f"{number}-{held}" for held in range(THREADS)]
    first = durable_measure.Worker(worker, 2 * number)
    for name in names:
        hold(name)
    await durable_measure.until(there(*(f"run-{name}" for name in names)), [first], 30, "not all ran")
    second = durable_measure.Worker(worker, 2 * number + 1)
    # All threads of the first are taken.
    quick(f"{number}-quick")
    await durable_measure.until(there(f"run-{number}-quick"), [second], 30, "the second worker is not up")
    first.process.send_signal(signal.SIGKILL)
    begin = time.perf_counter()
    again = there(*(f"again-{name}" for name in names))
    await durable_measure.until(again, [second], RUN_AGAIN_WITHIN, "not all ran again")
    seconds = time.perf_counter() - begin
    second.process.kill()
    second.process.wait()
    return seconds


async def main(rounds: int) -> dict[str, float]:
    seconds = [await once(number) for number in range(rounds)]
    return {
        "kills": rounds,
        "p50_seconds": durable_measure.share(seconds, 0.5),
        "longest_seconds": max(seconds),
    }


if __name__ == "__main__":
    if IS_WORKER:
        app.engine.start()
        threading.Event().wait()
    durable_measure.finish(asyncio.run(main(int(sys.argv[1]))))
