"""The memory store against a model of a few lines, through thousands of sequences of steps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from hypern.errors import QueueFull
from hypern.records import TERMINAL, Again, Cancelled, Completed, Ending, Failed, Lane, TaskRecord, TaskStatus
from hypern.stores.base import AGEING, Cancellation
from hypern.stores.conformance.suite import finish, make_record
from hypern.stores.memory import MemoryStore

CAPACITY, KEEP, KEEP_SECONDS = 6, 5, 50.0
PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING

ENDINGS: list[Ending] = [Completed("value"), Failed("ValueError: no", "…"), Cancelled()]
STATUS = {Completed: TaskStatus.COMPLETED, Failed: TaskStatus.FAILED, Cancelled: TaskStatus.CANCELLED}


@dataclass
class Expected:
    """What the model knows of one task. `seq`: when it came into its line; `due`: None once released."""

    status: TaskStatus
    lane: Lane
    priority: int
    due: float | None
    first_due: float
    ready_at: float
    seq: int
    attempt: int = 0
    ended_at: float = 0.0
    outcome: Ending | None = None

    def rank(self) -> tuple[float, int]:
        return (self.ready_at - self.priority * AGEING, self.seq)


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

    def pending(self) -> int:
        return sum(task.status is PENDING for task in self.tasks.values())

    def in_line(self) -> int:
        self.seq += 1
        return self.seq

    def end(self, task_id: str, ending: Ending) -> None:
        task = self.tasks[task_id]
        task.status, task.outcome, task.ended_at = STATUS[type(ending)], ending, self.now
        self.ended.append(task_id)
        if len(self.ended) > KEEP:
            del self.tasks[self.ended.pop(0)]

    @rule(
        several=st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.0, 1.0, 3.0, 40.0]),
                st.sampled_from([0, 0, 1, 10, -10]),
                st.sampled_from(Lane),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def submit(self, several: list[tuple[float, int, Lane]]) -> None:
        for delay, priority, lane in several:
            self.submit_one(delay, priority, lane)

    def submit_one(self, delay: float, priority: int, lane: Lane) -> None:
        self.ids += 1
        task_id = f"task-{self.ids}"
        due = self.now + delay if delay else None
        record = make_record(task_id, lane=lane, priority=priority, due=due, wall=self.now)
        if self.pending() >= CAPACITY:
            with pytest.raises(QueueFull):
                self.store.add(record)
            return
        assert self.store.add(record) is None
        self.tasks[task_id] = Expected(
            PENDING, lane, priority, due, self.now + delay, self.now, self.in_line()
        )

    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        if self.tasks:
            known = data.draw(st.sampled_from(sorted(self.tasks)))
            assert self.store.add(make_record(known, args=("changed",))) is not None

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
        waiting = {
            task_id: task
            for task_id, task in self.tasks.items()
            if task.status is PENDING and task.due is None and task.lane is lane
        }
        if record is None:
            assert not waiting
            return []
        assert record.id == min(waiting, key=lambda task_id: waiting[task_id].rank())
        task = self.tasks[record.id]
        task.status, task.attempt = RUNNING, task.attempt + 1
        assert record.attempt == task.attempt
        assert record.id not in self.ever_cancelled_waiting
        assert self.now >= task.first_due
        return [(record, record.attempt)]

    def is_running(self, record: TaskRecord, attempt: int) -> bool:
        task = self.tasks.get(record.id)
        return task is not None and task.status is RUNNING and task.attempt == attempt

    @rule(attempt=attempts, ending=st.sampled_from(ENDINGS))
    def finish(self, attempt: tuple[TaskRecord, int], ending: Ending) -> None:
        """The attempt stays in the bundle, so it is also ended twice and after others began."""
        valid = self.is_running(*attempt)
        assert finish(self.store, *attempt, ending, self.now) is valid
        if valid:
            self.end(attempt[0].id, ending)

    @rule(attempt=attempts, wait=st.sampled_from([0.0, 2.0, 30.0]))
    def fail_and_try_again(self, attempt: tuple[TaskRecord, int], wait: float) -> None:
        self.try_again(attempt, wait)

    def try_again(self, attempt: tuple[TaskRecord, int], wait: float) -> None:
        valid = self.is_running(*attempt)
        assert finish(self.store, *attempt, Again("no", "…", self.now + wait), self.now) is valid
        if valid:
            task = self.tasks[attempt[0].id]
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
        due = [t for t in self.tasks.values() if t.due is not None and t.due <= self.now]
        due = [t for t in due if t.status is PENDING]
        assert set(self.store.release(self.now, self.now)) == {task.lane for task in due}
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
            if task.outcome is not None:
                assert record.finished_at == task.ended_at
                assert record.result == ("value" if isinstance(task.outcome, Completed) else None)

    @invariant()
    def the_counts_add_up(self) -> None:
        counts = self.store.count()
        for status in TaskStatus:
            assert counts[status] == sum(task.status is status for task in self.tasks.values())
        assert len(self.store.find(set(TaskStatus))) == len(self.tasks)

    @invariant()
    def idle_and_due_are_true(self) -> None:
        live = [task for task in self.tasks.values() if task.status in (PENDING, RUNNING)]
        busy = any(t.status is RUNNING or t.due is None or t.due <= self.now for t in live)
        assert self.store.idle(self.now) is not busy
        due = [task.due for task in live if task.status is PENDING and task.due is not None]
        assert self.store.next_due() == min(due, default=None)


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
