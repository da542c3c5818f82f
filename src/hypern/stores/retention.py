"""Which ended tasks a memory store still knows: the youngest ones, up to a number and an age."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from hypern.records import TaskRecord


class Retention:
    """`keep`, `keep_seconds`: so many are kept at most, and so long, unless a task has a `result_ttl` of its
    own. Not thread-safe: the store that owns it holds its lock."""

    def __init__(self, keep: int, keep_seconds: float) -> None:
        self._keep = keep
        self._keep_seconds = keep_seconds
        self._ended: deque[TaskRecord] = deque()
        # Those with a time of their own, by the moment at which it is over.
        self._own: list[tuple[float, int, TaskRecord]] = []
        self._numbered = 0

    def add(self, record: TaskRecord) -> TaskRecord | None:
        """A task has ended. The one to forget for it, None: there is room."""
        ttl = record.spec.rules.result_ttl
        if ttl is None:
            ended = self._ended
            ended.append(record)
            return ended.popleft() if len(ended) > self._keep else None
        self._numbered += 1
        heapq.heappush(self._own, (record.finished_at + ttl, self._numbered, record))
        return heapq.heappop(self._own)[2] if len(self._own) > self._keep else None

    def expired(self, wall: float) -> Iterator[TaskRecord]:
        """Those whose time is over; they are forgotten here."""
        while self._ended and self._ended[0].finished_at + self._keep_seconds <= wall:
            yield self._ended.popleft()
        while self._own and self._own[0][0] <= wall:
            yield heapq.heappop(self._own)[2]

    def remove(self, records: Iterable[TaskRecord]) -> None:
        """Forget these, wherever they stand."""
        gone = {id(record) for record in records}
        if gone:
            self._ended = deque(record for record in self._ended if id(record) not in gone)
            self._own = [entry for entry in self._own if id(entry[2]) not in gone]
            heapq.heapify(self._own)

    def records(self) -> Iterable[TaskRecord]:
        yield from self._ended
        for _, _, record in self._own:
            yield record
