"""The running task, seen from inside of it."""

from __future__ import annotations

from contextvars import ContextVar

from hypern.errors import InvalidOption, NoCurrentTask
from hypern.records import Progress, TaskRecord
from hypern.stores.base import Store
from hypern.tasks.ids import storable_text

# One attempt at a task: its record, the number of the attempt, the fence of the claim, the store it was
# claimed from. A plain tuple, because one is made for every task that runs.
Run = tuple[TaskRecord, int, int, Store]

running: ContextVar[Run | None] = ContextVar("hypern_running_task", default=None)


class CurrentTask:
    """What a task can know of itself and say about itself."""

    __slots__ = ("_attempt", "_fence", "_record", "_store")

    def __init__(self, run: Run) -> None:
        self._record, self._attempt, self._fence, self._store = run

    def __repr__(self) -> str:
        return f"<CurrentTask {self.name} {self.task_id} attempt {self.attempt}>"

    @property
    def task_id(self) -> str:
        return self._record.id

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def attempt(self) -> int:
        """1 at the first attempt."""
        return self._attempt

    @property
    def cancel_requested(self) -> bool:
        """Whether `cancel_task` asked this task to stop. A plain function should look at it and return."""
        return self._record.cancel_requested

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Say how far the task is: `fraction` from 0.0 to 1.0, and a word about it.

        Raises InvalidOption for anything else. Nothing happens if this attempt has already ended.
        """
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
            raise InvalidOption(f"progress() takes a fraction from 0.0 to 1.0, not {fraction!r}.")
        if message is not None:
            if not isinstance(message, str):
                raise InvalidOption(f"progress() takes its message as a str, not {type(message).__name__}.")
            message = storable_text(message)
        self._store.report(self._record, self._fence, Progress(float(fraction), message))


def current_task() -> CurrentTask:
    """The task that is running here. Raises NoCurrentTask outside of a task."""
    run = running.get()
    if run is None:
        raise NoCurrentTask(
            "current_task() works inside a running background task only; nothing here was started by one."
        )
    return CurrentTask(run)
