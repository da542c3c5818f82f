"""Reports: what tasks that run here said last, until it can be read in the tables."""

from __future__ import annotations


class Reports:
    """May be used by any thread. At no moment is a report found neither here nor in the tables."""

    def __init__(self) -> None:
        self._new: dict[str, bytes] = {}
        self._taken: dict[str, bytes] = {}

    def add(self, task_id: str, progress: bytes) -> bool:
        """Whether somebody has to be sent to take it: the one before it has been taken."""
        is_first = task_id not in self._new
        self._new[task_id] = progress
        return is_first

    def take(self, task_id: str) -> bytes | None:
        """To be written now; None: there is nothing new."""
        # In this order: it is found in one of them throughout.
        seen = self._new.get(task_id)
        if seen is None:
            return None
        self._taken[task_id] = seen
        progress = self._taken[task_id] = self._new.pop(task_id)
        return progress

    def written(self, task_id: str, progress: bytes) -> None:
        """It can be read in the tables, or is lost."""
        if self._taken.get(task_id) is progress:
            del self._taken[task_id]

    def latest(self, task_id: str) -> bytes | None:
        new = self._new.get(task_id)
        # Taken between the two looks, it is found by the second.
        return self._taken.get(task_id) if new is None else new
