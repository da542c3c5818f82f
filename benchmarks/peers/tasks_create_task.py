"""asyncio.create_task on the standard loop, submitted from the loop itself: no ids, records or threads."""

import asyncio
import sys
import time

from measure import WARM_UP, finish


async def submit_all(count: int) -> tuple[float, float]:
    """Seconds until all are submitted, and until all are done."""
    run = 0
    done = asyncio.Event()

    async def noop() -> None:
        nonlocal run
        run += 1
        if run == count:
            done.set()

    start = time.perf_counter()
    kept = [asyncio.create_task(noop()) for _ in range(count)]
    submitted = time.perf_counter() - start
    await done.wait()
    assert len(kept) == run
    return submitted, time.perf_counter() - start


async def throughput(count: int) -> dict[str, float]:
    await submit_all(WARM_UP)
    submitted, done = await submit_all(count)
    return {
        "tasks_per_second": count / done,
        "submits_per_second": count / submitted,
        "tasks_per_submit": 1.0,
    }


if __name__ == "__main__":
    finish(asyncio.run(throughput(int(sys.argv[2]))))
