"""A process with an app on a store that does what it is told, line by line of JSON, and answers alike."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

import crash.tasks
from crash.surroundings import EFFECTS, Surroundings

from hypern import Hypern

TOLD = Surroundings.read()


class Commands:
    """One method for each word that the tests use; what it returns is the answer."""

    app: Hypern

    def ready(self) -> None:
        """Answers once everything is imported."""

    def open(self, **settings: Any) -> None:
        self.app = Hypern(task_store=TOLD.store, **settings)

    def start(self) -> None:
        self.app.engine.start()

    def become(self, user: int) -> None:
        os.setuid(user)

    def submit(
        self, task_id: str, kind: str = "quick", delay: float = 0.0, args: tuple[Any, ...] = ()
    ) -> str:
        task = getattr(crash.tasks, kind)
        return str(self.app.submit_task(task, args=(task_id, *args), delay_seconds=delay, task_id=task_id))

    def get(self, task_id: str) -> Any:
        task = self.app.get_task(task_id)
        return None if task is None else [task.status.value, task.result, task.error]

    def cancel(self, task_id: str) -> bool:
        return self.app.cancel_task(task_id)

    def signal_between_claim_and_start(self, number: int, seconds: float) -> None:
        """Send this signal to this process when a worker has claimed a task and not yet begun it, and hold
        that worker up for so many seconds."""
        journal = TOLD.journal(EFFECTS)

        def listen(event: Any) -> None:
            if event.name == "started":
                unlisten()
                journal.write("claimed", event.task_id, event.attempt)
                os.kill(os.getpid(), number)
                threading.Event().wait(seconds)

        unlisten = self.app.engine.events.listen(listen)

    def stop(self) -> None:
        self.app.engine.stop()


def main() -> None:
    commands = Commands()
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = {"answer": getattr(commands, told.pop("do"))(**told)}
        except Exception as error:
            answer = {
                "error": [kind.__name__ for kind in type(error).__mro__],
                "message": str(error),
                "task_id": getattr(error, "task_id", None),
            }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
