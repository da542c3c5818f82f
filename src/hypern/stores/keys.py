"""Which unique keys are taken in a memory store, by which task, and for how long."""

from __future__ import annotations

from hypern.records import TERMINAL, TaskRecord


class UniqueKeys:
    """Not thread-safe: the store that owns it holds its lock."""

    def __init__(self) -> None:
        self._holders: dict[str, TaskRecord] = {}

    def holder(self, record: TaskRecord) -> TaskRecord | None:
        """The task that stands for `record`, which is about to be added; None: it may be added."""
        holder = self._holders.get(record.unique_key or "")
        if holder is None or self._is_over(holder, record.submitted_at):
            return None
        return holder

    def take(self, record: TaskRecord) -> None:
        if record.unique_key is not None:
            self._holders[record.unique_key] = record

    def ended(self, record: TaskRecord) -> None:
        """A task with a key has ended; the key is free, unless it is kept for a time."""
        key = record.unique_key or ""
        if record.spec.rules.unique_for is None and self._holders.get(key) is record:
            del self._holders[key]

    def prune(self, wall: float) -> None:
        for key in [key for key, holder in self._holders.items() if self._is_over(holder, wall)]:
            del self._holders[key]

    @staticmethod
    def _is_over(holder: TaskRecord, wall: float) -> bool:
        period = holder.spec.rules.unique_for
        return holder.status in TERMINAL and (period is None or holder.submitted_at + period <= wall)
