"""The memory store against a model of a few lines, through thousands of sequences of steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from hypern.errors import QueueFull
from hypern.records import TERMINAL, Again, Cancelled, Completed, Ending, Failed, Lane, TaskRecord, TaskStatus
from hypern.stores.base import AGEING, EXPIRED, Cancellation, QueueState
from hypern.stores.conformance.suite import finish, make_record
from hypern.stores.memory import MemoryStore

CAPACITY, KEEP, KEEP_SECONDS = 6, 5, 50.0
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING

ENDINGS: list[Ending] = [Completed("value"), Failed("ValueError: no", "…"), Cancelled()]
STATUS = {Completed: TaskStatus.COMPLETED, Failed: TaskStatus.FAILED, Cancelled: TaskStatus.CANCELLED}


class Wish(NamedTuple):
    """One task that is to be submitted."""

    delay: float
    priority: int
    lane: Lane
    queue: str
    expires: float | None
    key: str | None
    unique_for: float | None


WISHES = st.builds(
    Wish,
    delay=st.sampled_from([0.0, 0.0, 1.0, 3.0, 40.0]),
    priority=st.sampled_from([0, 0, 1, 10, -10]),
    lane=st.sampled_from(Lane),
    queue=st.sampled_from(["mail", "default", "default"]),
    expires=st.sampled_from([None, None, None, 2.0, 20.0]),
    key=st.sampled_from([None, None, "a", "b"]),
    unique_for=st.sampled_from([None, 30.0]),
)


@dataclass
class Queue:
    """What the model knows of a queue that somebody has said something about."""

    paused: bool = False
    limit: int | None = None


@dataclass
class Expected:
    """What the model knows of one task. `seq`: when it came into its line; `due`: None once released;
    `expires_at`: None once started."""

    status: TaskStatus
    wish: Wish
    submitted_at: float
    due: float | None
    expires_at: float | None
    first_due: float
    ready_at: float
    seq: int
    attempt: int = 0
    fence: int = 0
    ended_at: float = 0.0
    outcome: Ending | None = None

    def rank(self) -> tuple[float, int]:
        return (self.ready_at - self.wish.priority * AGEING, self.seq)

    def is_ready(self) -> bool:
        return self.status is PENDING and self.due is None


class StoreMachine(RuleBasedStateMachine):
    """Every step is done to both; after every step the store must say what the model says."""

    attempts: Bundle[tuple[TaskRecord, int]] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(CAPACITY, KEEP, KEEP_SECONDS)
        self.now = 1000.0
        self.seq = 0
        self.ids = 0
        self.tasks: dict[str, Expected] = {}
        self.ended: list[str] = []
        self.ever_cancelled_waiting: set[str] = set()
        self.queues: dict[str, Queue] = {}
        # Keys that are kept for a time after the end: whose they are, and until when.
        self.past: dict[str, tuple[str, float]] = {}

    def pending(self) -> int:
        return sum(task.status is PENDING for task in self.tasks.values())

    def in_line(self) -> int:
        self.seq += 1
        return self.seq

    def end(self, task_id: str, ending: Ending) -> None:
        task = self.tasks[task_id]
        task.status, task.outcome, task.ended_at = STATUS[type(ending)], ending, self.now
        if task.wish.key is not None and task.wish.unique_for is not None:
            self.past[task.wish.key] = (task_id, task.submitted_at + task.wish.unique_for)
        self.ended.append(task_id)
        if len(self.ended) > KEEP:
            del self.tasks[self.ended.pop(0)]

    def holder(self, wish: Wish) -> str | None:
        """The task that stands for one that is to be submitted."""
        if wish.key is None:
            return None
        for task_id, task in self.tasks.items():
            if task.wish.key == wish.key and task.status not in TERMINAL:
                return task_id
        task_id, until = self.past.get(wish.key, ("", 0.0))
        return task_id if until > self.now else None

    def new(self, wish: Wish) -> TaskRecord:
        self.ids += 1
        due = self.now + wish.delay if wish.delay else None
        return make_record(
            f"task-{self.ids}",
            lane=wish.lane,
            priority=wish.priority,
            due=due,
            wall=self.now,
            queue=wish.queue,
            expires_at=None if wish.expires is None else (due or self.now) + wish.expires,
            unique_key=wish.key,
            unique_for=wish.unique_for,
        )

    def expect(self, record: TaskRecord, wish: Wish) -> None:
        self.tasks[record.id] = Expected(
            PENDING,
            wish,
            self.now,
            record.due,
            record.expires_at,
            self.now + wish.delay,
            self.now,
            self.in_line(),
        )

    @rule(wishes=st.lists(WISHES, min_size=1, max_size=4))
    def submit(self, wishes: list[Wish]) -> None:
        for wish in wishes:
            record, holder = self.new(wish), self.holder(wish)
            if holder is None and self.pending() >= CAPACITY:
                with pytest.raises(QueueFull):
                    self.store.add(record)
                continue
            assert self.store.add(record) == holder
            if holder is None:
                self.expect(record, wish)

    @rule(wishes=st.lists(WISHES, max_size=4))
    def submit_together(self, wishes: list[Wish]) -> None:
        records = [self.new(wish) for wish in wishes]
        before = dict(self.tasks)
        answers: list[str | None] = []
        for record, wish in zip(records, wishes, strict=True):
            answers.append(self.holder(wish))
            if answers[-1] is None:
                self.expect(record, wish)
        if self.pending() > CAPACITY:
            self.tasks = before
            with pytest.raises(QueueFull):
                self.store.add_many(records)
        else:
            assert self.store.add_many(records) == answers

    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        if self.tasks:
            known = data.draw(st.sampled_from(sorted(self.tasks)))
            assert self.store.add(make_record(known, args=("changed",))) == known

    @rule(target=attempts, lane=st.sampled_from(Lane))
    def claim(self, lane: Lane) -> object:
        return multiple(*self.claim_one(lane))

    @rule(target=attempts, lane=st.sampled_from(Lane))
    def run_twice(self, lane: Lane) -> object:
        """So that endings of an attempt come while a later one runs, which chance alone brings too seldom."""
        first = self.claim_one(lane)
        for attempt in first:
            self.try_again(attempt, 0.0)
        self.release()
        return multiple(*first, *self.claim_one(lane))

    def claim_one(self, lane: Lane) -> list[tuple[TaskRecord, int]]:
        record = self.store.claim(lane, self.now)
        heads = self.heads(lane)
        if record is None:
            assert not heads
            return []
        # Of one queue it is the first; of several whose first ones are equal, any.
        assert record.id in heads
        least = min(self.tasks[task_id].rank()[0] for task_id in heads)
        task = self.tasks[record.id]
        assert task.rank()[0] == least
        task.status, task.attempt, task.fence = RUNNING, task.attempt + 1, task.fence + 1
        assert (record.attempt, record.fence) == (task.attempt, task.fence)
        assert record.id not in self.ever_cancelled_waiting
        assert self.now >= task.first_due
        return [(record, record.fence)]

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
                if first is None or task.rank() < self.tasks[first].rank():
                    heads[name] = task_id
        return set(heads.values())

    def is_running(self, record: TaskRecord, fence: int) -> bool:
        task = self.tasks.get(record.id)
        return task is not None and task.status is RUNNING and task.fence == fence

    @rule(
        name=st.sampled_from(["mail", "mail", "default"]),
        paused=st.sampled_from([None, False, True]),
        limit=st.sampled_from([None, 0, 1, 2]),
    )
    def set_queue(self, name: str, paused: bool | None, limit: int | None) -> None:
        self.store.set_queue(name, paused=paused, limit=limit)
        queue = self.queues.setdefault(name, Queue())
        if paused is not None:
            queue.paused = paused
        if limit is not None:
            queue.limit = limit or None

    @rule(attempt=attempts, ending=st.sampled_from(ENDINGS))
    def finish(self, attempt: tuple[TaskRecord, int], ending: Ending) -> None:
        """The attempt stays in the bundle, so it is also ended twice and after others began."""
        valid = self.is_running(*attempt)
        assert finish(self.store, *attempt, ending, self.now) is valid
        if valid:
            self.end(attempt[0].id, ending)

    @rule(attempt=attempts, wait=st.sampled_from([0.0, 2.0, 30.0]), counts=st.booleans())
    def try_again(self, attempt: tuple[TaskRecord, int], wait: float, counts: bool = True) -> None:
        valid = self.is_running(*attempt)
        again = Again("no", "…", self.now + wait, counts)
        assert finish(self.store, *attempt, again, self.now) is valid
        if valid:
            task = self.tasks[attempt[0].id]
            task.attempt -= not counts
            task.expires_at = None
            task.status, task.due = PENDING, self.now + wait
            task.first_due, task.seq = self.now + wait, self.in_line()

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from([*sorted(self.tasks), "nobody"]))
        task = self.tasks.get(task_id)
        found = self.store.cancel(task_id, self.now)
        if task is None or task.status in TERMINAL:
            assert found is None
        elif task.status is RUNNING:
            assert found is Cancellation.REQUESTED
        else:
            assert found is Cancellation.DONE
            self.ever_cancelled_waiting.add(task_id)
            self.end(task_id, Cancelled())

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 60.0]), releases=st.booleans(), prunes=st.booleans())
    def advance(self, seconds: float, releases: bool, prunes: bool) -> None:
        self.now += seconds
        if releases:
            self.release()
        if prunes:
            self.prune()

    def release(self) -> None:
        expired = [
            (task.expires_at, number, task_id)
            for number, (task_id, task) in enumerate(self.tasks.items())
            if task.status is PENDING and task.expires_at is not None and task.expires_at <= self.now
        ]
        for *_, task_id in sorted(expired):
            self.ever_cancelled_waiting.add(task_id)
            self.end(task_id, Cancelled(EXPIRED))
        due = [t for t in self.tasks.values() if t.due is not None and t.due <= self.now]
        due = [t for t in due if t.status is PENDING]
        assert set(self.store.release(self.now, self.now)) == {task.wish.lane for task in due}
        for task in sorted(due, key=lambda task: (task.due, task.seq)):
            task.due, task.ready_at, task.seq = None, self.now, self.in_line()

    def prune(self) -> None:
        old = [i for i in self.ended if self.tasks[i].ended_at + KEEP_SECONDS <= self.now]
        assert self.store.prune(self.now) == len(old)
        for task_id in old:
            self.ended.remove(task_id)
            del self.tasks[task_id]

    @invariant()
    def every_task_is_as_expected(self) -> None:
        for task_id, task in self.tasks.items():
            record = self.store.get(task_id)
            assert record is not None, f"{task_id} was lost"
            assert (record.status, record.attempt) == (task.status, task.attempt)
            assert record.args == ()
            assert self.store.ahead(record) == self.ahead(task)
            if task.outcome is not None:
                assert record.finished_at == task.ended_at
                assert record.result == ("value" if isinstance(task.outcome, Completed) else None)
                assert record.reason == getattr(task.outcome, "reason", None)

    def ahead(self, task: Expected) -> int:
        if not task.is_ready():
            return 0
        line = (task.wish.queue, task.wish.lane)
        return sum(
            other.is_ready() and (other.wish.queue, other.wish.lane) == line and other.rank() < task.rank()
            for other in self.tasks.values()
        )

    @invariant()
    def the_queues_are_as_expected(self) -> None:
        live = [task for task in self.tasks.values() if task.status in (PENDING, RUNNING)]
        held = {name for name, queue in self.queues.items() if queue.paused or queue.limit}
        expected = []
        for name in sorted({*held, *(task.wish.queue for task in live)}):
            queue, tasks = self.queues.get(name, Queue()), [t for t in live if t.wish.queue == name]
            running = sum(task.status is RUNNING for task in tasks)
            waiting = sum(task.is_ready() for task in tasks)
            delayed = len(tasks) - running - waiting
            expected.append(QueueState(name, queue.paused, queue.limit, waiting, delayed, running))
        assert self.store.queues() == expected

    @invariant()
    def who_looks_for_work_finds_it(self) -> None:
        for lane in Lane:
            assert self.store.has_ready(lane) or not self.heads(lane)

    @invariant()
    def the_counts_add_up(self) -> None:
        counts = self.store.count()
        for status in TaskStatus:
            assert counts[status] == sum(task.status is status for task in self.tasks.values())
        assert len(self.store.find(set(TaskStatus))) == len(self.tasks)

    @invariant()
    def idle_and_due_are_true(self) -> None:
        live = [task for task in self.tasks.values() if task.status in (PENDING, RUNNING)]
        paused = {name for name, queue in self.queues.items() if queue.paused}
        busy = any(
            t.status is RUNNING or (t.wish.queue not in paused if t.due is None else t.due <= self.now)
            for t in live
        )
        assert self.store.idle(self.now) is not busy
        waiting = [task for task in live if task.status is PENDING]
        moments = [m for task in waiting for m in (task.due, task.expires_at) if m is not None]
        assert self.store.next_due() == min(moments, default=None)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking takes minutes, and forty steps can be read as they are
    suppress_health_check=list(HealthCheck),
)
