"""The tasks of one lane and queue that could start now, in the order in which they should."""

from __future__ import annotations

import heapq
import math
from collections import deque

from hypern.records import TaskRecord, TaskStatus
from hypern.stores.base import AGEING


class ReadyQueue:
    """A line per priority, first in first out, and a heap of the lines' heads.

    Who has waited for `w` seconds at priority `p` ranks by `p * AGEING + w`. Between two tasks that
    difference never changes, so each head has a fixed key (`ready_at - p * AGEING`, lowest first) and
    nothing must be re-sorted as time goes by. Within a line the head has the lowest key. A head that is
    alone has nobody to be compared with, so its key is brought up to date only when a second one comes.
    Not thread-safe: the store that owns it holds its lock. But a signal handler may raise in the midst of
    `push` (Ctrl-C), and leave a head without a line; whoever meets one drops it.
    """

    __slots__ = ("_heads", "_lines")

    def __init__(self) -> None:
        self._lines: dict[int, deque[TaskRecord]] = {}
        self._heads: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        return bool(self._heads)

    def push(self, record: TaskRecord) -> None:
        priority = record.spec.priority
        line = self._lines.get(priority)
        if line is None:
            line = self._lines[priority] = deque()
        if not line:
            heads = self._heads
            if len(heads) == 1 and (alone := self.peek()) is not None:
                heads[0] = _key(alone)
            heapq.heappush(heads, _key(record))
        line.append(record)

    def pop(self) -> TaskRecord | None:
        """The next one; None if there is none."""
        heads = self._heads
        while heads:
            priority = heads[0][1]
            line = self._lines.get(priority)
            if not line:
                heapq.heappop(heads)
                continue
            record = line.popleft()
            if len(heads) > 1:
                if line:
                    heapq.heapreplace(heads, _key(line[0]))
                else:
                    heapq.heappop(heads)
                    del self._lines[priority]
            elif not line:
                heads.clear()
                if len(self._lines) > 1:
                    self._lines = {priority: line}
            return record
        return None

    def peek(self) -> TaskRecord | None:
        """The one that `pop` would return."""
        heads = self._heads
        while heads:
            line = self._lines.get(heads[0][1])
            if line:
                return line[0]
            heapq.heappop(heads)
        return None

    def rank(self) -> float:
        """Where its first task stands among those of other queues, lowest first; infinite without one."""
        head = self.peek()
        return math.inf if head is None else _key(head)[0]

    def before(self, record: TaskRecord) -> int:
        """How many tasks stand before this one, which is in it."""
        mine = _key(record)
        ahead = 0
        for line in self._lines.values():
            for other in line:
                if other is record or _key(other) > mine:
                    break
                ahead += other.status is TaskStatus.PENDING
        return ahead

    def compact(self) -> None:
        """Drop the records that have been cancelled while they waited."""
        # Built aside and put in place at once: who asks whether there is anything has no lock.
        kept = ReadyQueue()
        for line in self._lines.values():
            for record in line:
                if record.status is TaskStatus.PENDING:
                    kept.push(record)
        self._lines, self._heads = kept._lines, kept._heads


def _key(record: TaskRecord) -> tuple[float, int]:
    """Where a line stands among the others while this is its head."""
    priority = record.spec.priority
    return (record.ready_at - priority * AGEING, priority)
