"""The limit: queue.SimpleQueue, four threads, and the least record that could answer `get_task`.

No priorities, delays, cancelling, limits, context, retention or stop: what is left is Python's own price.
"""

import threading
import time
from queue import SimpleQueue
from random import getrandbits

from measure import TASK_WORKERS, main


class Record:
    __slots__ = (
        "arguments",
        "error",
        "finished_at",
        "function",
        "result",
        "started_at",
        "status",
        "submitted_at",
    )

    def __init__(self, function, arguments):
        self.function = function
        self.arguments = arguments
        self.status = "pending"
        self.result = self.error = self.started_at = self.finished_at = None
        self.submitted_at = time.time()


records: dict[str, Record] = {}
queue: SimpleQueue[Record] = SimpleQueue()


def declare(function):
    def submit(*arguments):
        task_id = f"{time.time_ns():x}{getrandbits(64):016x}"
        record = Record(function, arguments)
        records[task_id] = record
        queue.put(record)
        return task_id

    return submit


def work():
    while True:
        record = queue.get()
        record.started_at = time.time()
        record.status = "running"
        try:
            record.result = record.function(*record.arguments)
            record.status = "completed"
        except Exception as error:
            record.error = str(error)
            record.status = "failed"
        record.finished_at = time.time()


if __name__ == "__main__":
    for _ in range(TASK_WORKERS):
        threading.Thread(target=work, daemon=True).start()
    main(declare, is_done=lambda task_id: records[task_id].status == "completed")
