"""What a memory store has to do at a certain time: let a delayed task wait, cancel one that has expired."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from hypern.records import TaskRecord, TaskStatus

PENDING = TaskStatus.PENDING


def may_expire(record: TaskRecord) -> bool:
    """Whether it waits, has never been started, and is to be started before some moment or not at all."""
    return record.status is PENDING and record.expires_at is not None


class Schedule:
    """Tasks by a steady-clock second; first the earlier, then the first added. Tasks that have been
    cancelled meanwhile stay until they are met or swept. Not thread-safe: the store holds its lock.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, TaskRecord]] = []
        self._numbered = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, moment: float, record: TaskRecord) -> None:
        self._numbered += 1
        heapq.heappush(self._entries, (moment, self._numbered, record))

    def due(self, steady: float, most: int) -> Iterator[tuple[float, TaskRecord]]:
        """Take out those whose moment has come, cancelled or not, with that moment; no more than `most`."""
        for _ in range(most):
            if not self._entries or self._entries[0][0] > steady:
                return
            moment, _, record = heapq.heappop(self._entries)
            yield moment, record

    def first(self) -> tuple[float, TaskRecord] | None:
        """The next one, and its moment."""
        return (self._entries[0][0], self._entries[0][2]) if self._entries else None

    def drop_first(self) -> None:
        heapq.heappop(self._entries)

    def sweep(self) -> None:
        """Drop those that do not wait any more."""
        self._entries = [entry for entry in self._entries if entry[2].status is PENDING]
        heapq.heapify(self._entries)
