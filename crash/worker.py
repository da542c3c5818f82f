"""A process that runs tasks until SIGTERM, or until it has finished `CRASH_COUNT` of them."""

import signal
import sys
import threading

import crash.tasks  # noqa: F401  so that the tasks are known here
from crash import pulse
from crash.surroundings import EFFECTS, KEPT, Surroundings
from hypern import Hypern
from hypern.events import Event

THREADS = 2
GRACE = 10.0
_TOLD = {"started": "claimed", "finished": "finished", "retried": "retried"}


def main() -> int:
    told = Surroundings.read()
    journal = told.journal(EFFECTS)
    enough = threading.Event()
    finished = 0

    def listen(event: Event) -> None:
        nonlocal finished
        if event.name in _TOLD:
            journal.write(_TOLD[event.name], event.task_id, event.attempt)
        finished += event.name == "finished"
        if told.count and finished >= told.count:
            enough.set()

    pulse.start(told.pulse)
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    app = Hypern(
        task_store=told.store, task_workers=THREADS, task_grace_seconds=GRACE, task_result_limit=KEPT
    )
    app.engine.events.listen(listen)
    app.engine.start()
    journal.write("up")
    # In short waits: Python looks at signals between them.
    while not enough.wait(0.1):
        pass
    app.engine.stop()
    journal.write("down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
