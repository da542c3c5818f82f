"""What every web application here does with POST /users, so that only the framework differs.

Imported by name (`import work`) because each application runs in an environment of its own.
"""

import itertools

PENDING_LIMIT = 1_000_000
TASK_WORKERS = 4


class Tally:
    """A count that any thread may raise without a lock: `next` on an itertools.count is one step."""

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self._reads = 0
        self.up = self._ticks.__next__

    def read(self) -> int:
        value = next(self._ticks) - self._reads
        self._reads += 1
        return value


_saved = Tally()
_run = Tally()


def save_user(data: dict) -> dict:
    """Pretend to write the user down; also counts the requests that got this far."""
    return {"id": _saved.up() + 1, "email": data["email"], "name": data["name"]}


def welcome(to: str, name: str) -> dict:
    """The body of the task; also counts the tasks really run."""
    _run.up()
    return {"sent": True, "to": to}


def counts() -> dict:
    return {"saved": _saved.read(), "run": _run.read()}
