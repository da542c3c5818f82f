"""The model: what a store must say after each step, kept in one dict and told by the same steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hypern.records import TERMINAL, Again, Cancelled, Completed, Ending, Failed, Lane, TaskRecord, TaskStatus
from hypern.stores.base import AGEING, EXPIRED, MOST_DELIVERIES, WORKER_LOST, QueueState
from hypern.stores.conformance.suite import make_record

CAPACITY, KEEP, KEEP_SECONDS = 8, 3, 50.0
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
STATUS = {Completed: TaskStatus.COMPLETED, Failed: TaskStatus.FAILED, Cancelled: TaskStatus.CANCELLED}
ENDED_IN_ITS_LAST_WORKER = f"asked to stop; {WORKER_LOST}"


class Wish(NamedTuple):
    """One task that is to be submitted."""

    delay: float
    priority: int
    lane: Lane
    queue: str
    expires: float | None
    key: str | None
    unique_for: float | None


class Habits(NamedTuple):
    """Where the contract leaves a store free, what this one does.

    `waits_since_due`: a delayed task takes its place by its due time, and among equals by when it was added;
    else by when it was released. `forgets`: when the oldest ended task beyond the limit goes, but for when
    it is pruned: at once however a task ended, with the next ending of an attempt, or not before. Where it
    is not before, any of those that ended in the same moment may be the oldest (`Model.left`).
    `asks_at_the_start`: a task that has been asked to stop is cancelled when it is its turn.
    """

    waits_since_due: bool
    forgets: Literal["at every end", "at ends of attempts", "when pruned"]
    asks_at_the_start: bool


@dataclass
class Queue:
    """What the model knows of a queue that somebody has said something about."""

    paused: bool = False
    limit: int | None = None


@dataclass
class Expected:
    """What the model knows of one task. `row`: when it was added; `line`: when it came into its line;
    `due`: None once released; `since`: the steady-clock second since which it waits; `owner`: who runs it."""

    status: TaskStatus
    wish: Wish
    submitted_at: float
    due: float | None
    expires_at: float | None
    first_due: float
    since: float
    row: int
    line: int
    attempt: int = 0
    fence: int = 0
    lost: int = 0
    failures: int = 0
    ended_at: float = 0.0
    end_number: int = 0
    outcome: Ending | None = None
    owner: int | None = None
    asked: bool = False

    def is_ready(self) -> bool:
        return self.status is PENDING and self.due is None

    def may_expire(self) -> bool:
        return self.status is PENDING and self.attempt == 0 and self.expires_at is not None


@dataclass
class Model:
    """`capacity`: the most tasks PENDING, None: any number. `steady`, `wall`: seconds of the two clocks."""

    habits: Habits
    capacity: int | None
    steady: float = 1000.0
    wall: float = 50_000.0
    tasks: dict[str, Expected] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    # Keys that are kept for a time after the submission: whose they are, and until when.
    kept_keys: dict[str, tuple[str, float]] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    # What a store has left that was free to choose what to forget.
    left: set[str] = field(default_factory=set)
    cancelled_before_start: set[str] = field(default_factory=set)
    accepted: int = 0
    forgotten: int = 0
    numbered: int = 0

    # -- submit ------------------------------------------------------------------------------------

    def pending(self) -> int:
        return sum(task.status is PENDING for task in self.tasks.values())

    def is_full(self, over: int = 0) -> bool:
        return self.capacity is not None and self.pending() >= self.capacity + over

    def number(self) -> int:
        self.numbered += 1
        return self.numbered

    def record(self, wish: Wish) -> TaskRecord:
        due = self.steady + wish.delay if wish.delay else None
        return make_record(
            f"task-{self.number()}",
            lane=wish.lane,
            priority=wish.priority,
            due=due,
            wall=self.wall,
            queue=wish.queue,
            expires_at=None if wish.expires is None else (due or self.steady) + wish.expires,
            unique_key=wish.key,
            unique_for=wish.unique_for,
        )

    def holder(self, wish: Wish) -> str | None:
        """The task that stands for one that is to be submitted."""
        if wish.key is None:
            return None
        for task_id, task in self.tasks.items():
            if task.wish.key == wish.key and task.status not in TERMINAL:
                return task_id
        task_id, until = self.kept_keys.get(wish.key, ("", 0.0))
        return task_id if until > self.wall else None

    def add(self, record: TaskRecord, wish: Wish) -> None:
        number = self.number()
        self.tasks[record.id] = Expected(
            PENDING,
            wish,
            self.wall,
            record.due,
            record.expires_at,
            self.steady + wish.delay,
            self.steady + (wish.delay if self.habits.waits_since_due else 0.0),
            number,
            number,
        )
        self.accepted += 1
        if wish.key is not None and wish.unique_for is not None:
            self.kept_keys[wish.key] = (record.id, self.wall + wish.unique_for)

    # -- order -------------------------------------------------------------------------------------

    def rank(self, task: Expected) -> tuple[float, int]:
        place = task.row if self.habits.waits_since_due else task.line
        return (task.since - task.wish.priority * AGEING, place)

    def heads(self, lane: Lane) -> set[str]:
        """The first waiting task of each queue from which one may start."""
        running = Counter(task.wish.queue for task in self.tasks.values() if task.status is RUNNING)
        heads: dict[str, str] = {}
        for task_id, task in self.tasks.items():
            name = task.wish.queue
            queue = self.queues.get(name, Queue())
            has_room = queue.limit is None or running[name] < queue.limit
            if task.is_ready() and task.wish.lane is lane and has_room and not queue.paused:
                first = heads.get(name)
                if first is None or self.rank(task) < self.rank(self.tasks[first]):
                    heads[name] = task_id
        return set(heads.values())

    def next(self, lane: Lane) -> set[str]:
        """Any of these may be claimed next: of queues whose first ones are equal, a store may take either."""
        heads = self.heads(lane)
        least = min((self.rank(self.tasks[task_id])[0] for task_id in heads), default=0.0)
        return {task_id for task_id in heads if self.rank(self.tasks[task_id])[0] == least}

    def ahead(self, task: Expected) -> int:
        if not task.is_ready():
            return 0
        line = (task.wish.queue, task.wish.lane)
        return sum(
            other.is_ready()
            and (other.wish.queue, other.wish.lane) == line
            and self.rank(other) < self.rank(task)
            for other in self.tasks.values()
        )

    # -- claim, end --------------------------------------------------------------------------------

    def cancel_asked(self, lane: Lane) -> None:
        """It is the turn of tasks that have been asked to stop: they end, and others come."""
        while self.habits.asks_at_the_start and (first := self.next(lane)):
            task_id = min(first, key=lambda task_id: self.rank(self.tasks[task_id]))
            if not self.tasks[task_id].asked:
                return
            self.tasks[task_id].fence += 1
            self.end(task_id, Cancelled(), by_attempt=True)

    def claim(self, task_id: str, owner: int) -> None:
        task = self.tasks[task_id]
        task.status, task.owner = RUNNING, owner
        task.attempt += 1
        task.fence += 1

    def is_running(self, task_id: str, fence: int) -> bool:
        task = self.tasks.get(task_id)
        return task is not None and task.status is RUNNING and task.fence == fence

    def end(self, task_id: str, ending: Ending, *, by_attempt: bool) -> None:
        """`by_attempt`: an attempt ended so; else it was cancelled, expired, or lost."""
        task = self.tasks[task_id]
        task.status, task.outcome, task.ended_at, task.owner = STATUS[type(ending)], ending, self.wall, None
        task.end_number = self.number()
        task.failures += by_attempt and isinstance(ending, Failed)
        forgets = self.habits.forgets
        if forgets == "at every end" or (by_attempt and forgets == "at ends of attempts"):
            self.forget_surplus(1)

    def put_back(self, task_id: str, wait: float, *, counts: bool) -> None:
        task = self.tasks[task_id]
        task.attempt -= not counts
        task.failures += counts
        task.expires_at = task.owner = None
        task.status, task.due = PENDING, self.steady + wait
        task.first_due = task.since = self.steady + wait
        task.line = self.number()

    def give_back(self, owner: int) -> set[str]:
        """Its process stops: what it runs waits again, as if it had not been claimed."""
        mine = {task_id for task_id, task in self.tasks.items() if task.owner == owner}
        for task_id in mine:
            task = self.tasks[task_id]
            task.status, task.owner = PENDING, None
            task.attempt -= 1
        return mine

    def rescue(self) -> int:
        """What dead processes ran waits again, or has ended. How many there were."""
        left = {task_id: task for task_id, task in self.tasks.items() if task.owner in self.dead}
        for task_id, task in left.items():
            task.owner = None
            if task.asked:
                self.end(task_id, Cancelled(ENDED_IN_ITS_LAST_WORKER), by_attempt=False)
                continue
            task.lost += 1
            task.failures += 1
            if task.lost >= MOST_DELIVERIES:
                error = f"{WORKER_LOST}: the process that ran it died, {task.lost} times"
                self.end(task_id, Failed(error, ""), by_attempt=False)
            else:
                task.status = PENDING
        return len(left)

    # -- time --------------------------------------------------------------------------------------

    def moments(self) -> list[float]:
        """When something is to be done next: a due time, or an expiry."""
        waiting = [task for task in self.tasks.values() if task.status is PENDING]
        return [task.due for task in waiting if task.due is not None] + [
            task.expires_at for task in waiting if task.may_expire() and task.expires_at is not None
        ]

    def release(self) -> set[Lane]:
        expired = [
            (task.expires_at or 0.0, task.row, task_id)
            for task_id, task in self.tasks.items()
            if task.may_expire() and task.expires_at is not None and task.expires_at <= self.steady
        ]
        for *_, task_id in sorted(expired):
            self.cancelled_before_start.add(task_id)
            self.end(task_id, Cancelled(EXPIRED), by_attempt=False)
        due = [
            (task.due, task.line, task)
            for task in self.tasks.values()
            if task.status is PENDING and task.due is not None and task.due <= self.steady
        ]
        for moment, _, task in sorted(due, key=lambda entry: entry[:2]):
            task.due, task.line = None, self.number()
            task.since = moment if self.habits.waits_since_due else self.steady
        return {task.wish.lane for *_, task in due}

    def ended(self) -> list[str]:
        """The ended tasks, in the order in which they are forgotten."""

        def key(task_id: str) -> tuple[float, bool, int]:
            task = self.tasks[task_id]
            among_equals = task.row if self.habits.waits_since_due else task.end_number
            return (task.ended_at, task_id in self.left, among_equals)

        return sorted((i for i, task in self.tasks.items() if task.status in TERMINAL), key=key)

    def forget_surplus(self, most: int) -> int:
        ended = self.ended()
        gone = ended[: max(0, min(len(ended) - KEEP, most))]
        self.forget(gone)
        return len(gone)

    def forget(self, gone: list[str]) -> None:
        for task_id in gone:
            assert self.tasks.pop(task_id).status in TERMINAL
        self.forgotten += len(gone)

    def prune(self) -> int:
        old = [
            task_id for task_id in self.ended() if self.tasks[task_id].ended_at + KEEP_SECONDS <= self.wall
        ]
        self.forget(old)
        self.kept_keys = {key: kept for key, kept in self.kept_keys.items() if kept[1] > self.wall}
        return len(old) + self.forget_surplus(len(self.tasks))

    # -- look up -----------------------------------------------------------------------------------

    def states(self) -> list[QueueState]:
        live = [task for task in self.tasks.values() if task.status in (PENDING, RUNNING)]
        held = {name for name, queue in self.queues.items() if queue.paused or queue.limit}
        states = []
        for name in sorted({*held, *(task.wish.queue for task in live)}):
            queue, tasks = self.queues.get(name, Queue()), [t for t in live if t.wish.queue == name]
            running = sum(task.status is RUNNING for task in tasks)
            waiting = sum(task.is_ready() for task in tasks)
            delayed = len(tasks) - running - waiting
            states.append(QueueState(name, queue.paused, queue.limit, waiting, delayed, running))
        return states

    def is_idle(self, owner: int) -> bool:
        """Whether nothing runs with this owner, and nothing that could start is due."""
        paused = {name for name, queue in self.queues.items() if queue.paused}
        for task in self.tasks.values():
            if task.status is RUNNING and task.owner == owner:
                return False
            if task.status is PENDING and task.due is None and task.wish.queue not in paused:
                return False
            if task.status is PENDING and task.due is not None and task.due <= self.steady:
                return False
        return True


def again(steady: float, wait: float, *, counts: bool) -> Again:
    return Again("no", "…", steady + wait, counts)
