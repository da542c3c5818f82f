"""Huey with its memory storage and its own consumer's threads in the same process.

Its workers poll: by default 0.1 s after an empty look, growing to 10 s. Here 10 ms, and no growth, so that
the latency case shows its work and not the length of its sleep.
"""

from huey import MemoryHuey
from measure import TASK_WORKERS, main

POLL_SECONDS = 0.01

huey = MemoryHuey(immediate=False)

if __name__ == "__main__":
    consumer = huey.create_consumer(
        workers=TASK_WORKERS, periodic=False, initial_delay=POLL_SECONDS, max_delay=POLL_SECONDS, backoff=1.0
    )
    consumer.start()
    main(huey.task())
