"""A process that reads ids, one a line, and answers what `get_task` knows of each, as a line of JSON."""

import json
import os
import sys

import crash.tasks  # noqa: F401  so that results name known functions
from crash.surroundings import KEPT, STORE
from hypern import Hypern


def main() -> int:
    app = Hypern(task_store=os.environ[STORE], task_workers=0, task_result_limit=KEPT)
    for task_id in sys.stdin.read().split():
        task = app.get_task(task_id)
        known = None if task is None else [task.status.value, task.result, task.error]
        sys.stdout.write(json.dumps([task_id, known]) + "\n")
    app.engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
