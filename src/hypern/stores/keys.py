"""Which unique keys are taken in a memory store, by which task, and for how long."""

from __future__ import annotations

from hypern.records import TaskRecord


class UniqueKeys:
    """Not thread-safe: the store that owns it holds its lock.

    Of a task that has ended only its id is kept here, not its arguments and its result.
    """

    def __init__(self) -> None:
        # The key of each task that waits or runs.
        self._live: dict[str, str] = {}
        # The id of a task that has ended, and the wall-clock second until which it stands for others.
        self._past: dict[str, tuple[str, float]] = {}

    def holder(self, record: TaskRecord) -> str | None:
        """The id of the task that stands for `record`, which is about to be added; None: it may be added."""
        key = record.unique_key
        if key is None:
            return None
        if key in self._live:
            return self._live[key]
        past = self._past.get(key)
        return None if past is None or past[1] <= record.submitted_at else past[0]

    def take(self, record: TaskRecord) -> None:
        """A task with a key has been added."""
        if record.unique_key is not None:
            self._live[record.unique_key] = record.id

    def ended(self, record: TaskRecord) -> None:
        """A task with a key has ended; the key is free, unless it is kept for a time."""
        key, period = record.unique_key, record.spec.rules.unique_for
        if key is None or self._live.get(key) != record.id:
            return
        del self._live[key]
        if period is not None:
            self._past[key] = (record.id, record.submitted_at + period)

    def prune(self, wall: float) -> None:
        for key in [key for key, (_, until) in self._past.items() if until <= wall]:
            del self._past[key]
