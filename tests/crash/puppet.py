"""A process with an app on a store that does what it is told, line by line of JSON, and answers alike."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from crash.surroundings import EFFECTS, Surroundings
from tests.crash.hard_tasks import find

from hypern import Hypern

TOLD = Surroundings.read()


class Commands:
    """One method for each word that the tests use; what it returns is the answer."""

    app: Hypern
    second: Hypern

    def ready(self) -> None:
        """Answers once everything is imported."""

    def open(self, **settings: Any) -> None:
        self.app = Hypern(task_store=TOLD.store, **settings)

    def open_second(self, **settings: Any) -> None:
        """Another app on the same store."""
        self.second = Hypern(task_store=TOLD.store, **settings)
        self.second.engine.start()

    def close_the_idle_one(self) -> None:
        """Of the two apps, end the one that runs nothing, as soon as what it ran is written down."""
        engines = [self.app.engine, self.second.engine]
        while not (idle := [engine for engine in engines if not engine.store.is_busy()]):
            time.sleep(0.005)
        idle[0].stop(final=True)

    def start(self) -> None:
        self.app.engine.start()

    def become(self, user: int) -> None:
        os.setuid(user)

    def submit(
        self,
        task_id: str,
        kind: str = "quick",
        delay: float = 0.0,
        args: tuple[Any, ...] = (),
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        chosen: dict[str, Any] = {"delay_seconds": delay, "task_id": task_id, **options}
        return str(self.app.submit_task(find(kind), args=(task_id, *args), **chosen))

    def limit(self, queue: str, limit: int) -> None:
        self.app.limit_queue(queue, limit)

    def recur(self, seconds: float) -> None:
        self.app.every(seconds=seconds)(find("tick"))

    def get(self, task_id: str) -> Any:
        task = self.app.get_task(task_id)
        return None if task is None else [task.status.value, task.result, task.error]

    def submit_many(self, number: int, name: str) -> None:
        self.app.submit_many((find("quick"), (f"{name}:{each}",)) for each in range(number))

    def submit_async(self, number: int, name: str) -> tuple[float, int]:
        """Submit so many on an event loop, one after the other. How long that took (seconds), and how many
        turns of a hundredth of a second the loop made meanwhile."""

        async def submit() -> None:
            for each in range(number):
                task_id = f"{name}:{each}"
                await find("quick").with_options(task_id=task_id).submit_async(task_id)

        async def run() -> tuple[float, int]:
            since, turns = time.monotonic(), 0
            submitting = asyncio.create_task(submit())
            while not submitting.done():
                await asyncio.sleep(0.01)
                turns += 1
            await submitting
            return time.monotonic() - since, turns

        return asyncio.run(run())

    def set_queue(self, name: str, paused: bool | None = None, limit: int | None = None) -> None:
        self.app.engine.store.set_queue(name, paused=paused, limit=limit)

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
