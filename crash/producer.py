"""A process that submits tasks, and writes down each id once `submit` has returned it.

It goes on where its predecessor was killed, with the id whose fate is unknown: repeating must be harmless.
"""

import random
import signal
import sys
import threading
import time

from crash import pulse
from crash.journal import Journal, read
from crash.surroundings import ACKS, KEPT, Surroundings
from crash.tasks import coroutine, flaky, quick, slow
from hypern import Hypern
from hypern.errors import HypernError

KINDS = ("quick", "slow", "coroutine", "late", "cancel", "flaky")
WEIGHTS = (60, 12, 8, 8, 7, 5)
# A cancelled task would be due after so many seconds, should it not have been cancelled after all.
CANCEL_DELAY = 1.5
AGAIN_AFTER = 0.05


class Producer:
    """Submits tasks of all kinds, in an order that its name and the number of the task settle."""

    def __init__(self, app: Hypern, journal: Journal, name: str) -> None:
        self._app = app
        self._journal = journal
        self._name = name

    def submit(self, number: int) -> None:
        """Submit the task with this number, until it is accepted."""
        task_id = f"{self._name}:{number}"
        chance = random.Random(task_id)
        (kind,) = chance.choices(KINDS, WEIGHTS)
        seconds = round(chance.uniform(0.05, 0.2), 3)
        delay = {"late": round(chance.uniform(0.2, 0.8), 3), "cancel": CANCEL_DELAY}.get(kind, 0.0)
        self._journal.write("calling", task_id)
        while not self._accepted(kind, task_id, seconds, delay):
            time.sleep(AGAIN_AFTER)
        self._journal.write("acked", task_id, kind, delay, sync=True)
        if kind == "cancel" and self._app.cancel_task(task_id) and self._never_began(task_id):
            self._journal.write("cancelled", task_id, sync=True)

    def _never_began(self, task_id: str) -> bool:
        # A producer that was held up may cancel a task that runs already, which is only asked to stop then.
        task = self._app.get_task(task_id)
        return task is not None and task.is_cancelled() and task.started_at is None

    def _accepted(self, kind: str, task_id: str, seconds: float, delay: float) -> bool:
        try:
            match kind:
                case "slow":
                    slow.with_options(task_id=task_id)(task_id, seconds)
                case "coroutine":
                    coroutine.with_options(task_id=task_id)(task_id, seconds)
                case "flaky":
                    flaky.with_options(task_id=task_id)(task_id)
                case _:
                    quick.with_options(task_id=task_id, delay_seconds=delay)(task_id)
        except HypernError as error:
            self._journal.write("refused", task_id, type(error).__name__)
            return False
        return True


def next_number(told: Surroundings, name: str) -> int:
    """The number after the last one that was acknowledged to this producer or its predecessors."""
    acked = [line.id for line in read(told.home / ACKS) if line.what == "acked"]
    numbers = [int(task_id.split(":")[1]) for task_id in acked if task_id.split(":")[0] == name]
    return max(numbers, default=0) + 1


def main() -> int:
    told = Surroundings.read()
    name = told.who.rsplit("-", 1)[0]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    pulse.start(told.pulse)
    app = Hypern(task_store=told.store, task_workers=0, task_result_limit=KEPT)
    journal = told.journal(ACKS)
    producer = Producer(app, journal, name)
    journal.write("up")
    number = next_number(told, name)
    last = number + told.count
    pause = random.Random(told.who)
    while not stop.is_set() and not (told.count and number >= last):
        producer.submit(number)
        number += 1
        if not told.count:
            time.sleep(pause.uniform(0.0, 0.05))
    app.engine.stop()
    journal.write("down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
