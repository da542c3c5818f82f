"""The queues of a memory store: which tasks could start now, and which queue's turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import QueueState
from hypern.stores.ready import ReadyQueue

THREAD = Lane.THREAD
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING


class Queue:
    """One queue by name: its ready tasks in each lane, and what holds them back. `running` is kept up to
    date while `limit` is set."""

    __slots__ = ("limit", "loop", "name", "paused", "running", "thread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.thread = ReadyQueue()
        self.loop = ReadyQueue()
        self.paused = False
        self.limit: int | None = None
        self.running = 0

    def lane(self, lane: Lane) -> ReadyQueue:
        return self.thread if lane is THREAD else self.loop

    def is_held_back(self) -> bool:
        return self.paused or self.limit is not None

    def is_empty(self) -> bool:
        return not self.thread and not self.loop

    def is_open(self) -> bool:
        """Whether its tasks may start now."""
        return not self.paused and (self.limit is None or self.running < self.limit)


class Lines:
    """All queues of a store. Not thread-safe: the store that owns it holds its lock.

    `only`: the one queue there is while nothing holds it back, which is the usual case and the quick one.
    """

    __slots__ = ("limited", "only", "queues")

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.only: Queue | None = None
        # Whether any queue has a limit, so that its running tasks must be counted.
        self.limited = False

    def queue(self, name: str) -> Queue:
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = Queue(name)
            self._look()
        return found

    def push(self, record: TaskRecord) -> None:
        spec = record.spec
        only = self.only
        queue = only if only is not None and only.name == spec.queue else self.queue(spec.queue)
        (queue.thread if spec.lane is THREAD else queue.loop).push(record)

    def pop(self, lane: Lane) -> TaskRecord | None:
        """The next task that may start: of the open queues, the one whose first task comes first."""
        queue = self.only or self._next(lane)
        return None if queue is None else (queue.thread if lane is THREAD else queue.loop).pop()

    def has(self, lane: Lane) -> bool:
        only = self.only
        if only is not None:
            return bool(only.thread if lane is THREAD else only.loop)
        # A copy: who asks has no lock.
        return any(queue.is_open() and queue.lane(lane) for queue in list(self.queues.values()))

    def change(
        self, name: str, paused: bool | None, limit: int | None, running: Iterable[TaskRecord]
    ) -> None:
        """Set what holds a queue back; `running`: all tasks that run, in any queue."""
        queue = self.queue(name)
        if paused is not None:
            queue.paused = paused
        if limit is not None:
            queue.limit = limit or None
        self.limited = any(queue.limit is not None for queue in self.queues.values())
        if self.limited:
            for queue in self.queues.values():
                queue.running = 0
            for record in running:
                self.queue(record.spec.queue).running += 1
        self._look()

    def ready(self) -> Iterable[ReadyQueue]:
        for queue in self.queues.values():
            yield queue.thread
            yield queue.loop

    def states(self, records: Iterable[TaskRecord]) -> list[QueueState]:
        """Every queue that has tasks or is held back, by name. `records`: all that are kept."""
        waiting, delayed, running = Counter[str](), Counter[str](), Counter[str]()
        for record in records:
            if record.status is RUNNING:
                running[record.spec.queue] += 1
            elif record.status is PENDING:
                (waiting if record.due is None else delayed)[record.spec.queue] += 1
        held_back = {name for name, queue in self.queues.items() if queue.is_held_back()}
        unknown = Queue("")
        return [
            QueueState(name, queue.paused, queue.limit, waiting[name], delayed[name], running[name])
            for name in sorted({*held_back, *waiting, *delayed, *running})
            if (queue := self.queues.get(name, unknown))
        ]

    def prune(self) -> None:
        """Forget the queues that hold nothing, and hold nothing back: names may be made up without end."""
        # Put in place at once: who asks whether there is anything has no lock.
        if any(queue.is_empty() and not queue.is_held_back() for queue in self.queues.values()):
            self.queues = {
                name: queue
                for name, queue in self.queues.items()
                if queue.is_held_back() or not queue.is_empty()
            }
            self._look()

    def _look(self) -> None:
        queues = list(self.queues.values())
        self.only = queues[0] if len(queues) == 1 and not queues[0].paused and not self.limited else None

    def _next(self, lane: Lane) -> Queue | None:
        ready = [queue for queue in self.queues.values() if queue.is_open() and queue.lane(lane)]
        return min(ready, key=lambda queue: queue.lane(lane).rank(), default=None)
