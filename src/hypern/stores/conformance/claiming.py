"""What `claim` and `has_ready` promise."""

from __future__ import annotations

from hypern.stores.base import AGEING
from hypern.stores.conformance.suite import (
    LOOP,
    NOW,
    RUNNING,
    THREAD,
    Suite,
    claim_ids,
    claim_one,
    kept,
    make_record,
)


class Claiming(Suite):
    def test_claim_starts_the_task(self) -> None:
        """Claiming makes the task RUNNING, at attempt 1, started now, and gives it once."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        assert (record.id, record.status, record.attempt, record.started_at) == ("a", RUNNING, 1, NOW)
        assert kept(store, "a").status is RUNNING
        assert store.claim(THREAD, NOW) is None

    def test_lanes_are_apart(self) -> None:
        """A lane gives its own tasks only."""
        store = self.make_store()
        store.add(make_record("coroutine", lane=LOOP))
        assert store.has_ready(LOOP)
        assert not store.has_ready(THREAD)
        assert store.claim(THREAD, NOW) is None
        assert claim_one(store, LOOP).id == "coroutine"

    def test_equals_come_in_order(self) -> None:
        """Tasks of one priority are claimed in the order in which they were added."""
        store = self.make_store()
        ids = [f"task-{number}" for number in range(20)]
        for task_id in ids:
            store.add(make_record(task_id))
        assert claim_ids(store) == ids

    def test_higher_priority_comes_first(self) -> None:
        """Among tasks added at one time the higher priority goes first; within it, the earlier added."""
        store = self.make_store()
        for number, priority in enumerate((0, 20, -10, 10, 20, 0)):
            store.add(make_record(f"{priority}:{number}", priority=priority))
        assert claim_ids(store) == ["20:1", "20:4", "10:3", "0:0", "0:5", "-10:2"]

    def test_waiting_is_worth_priority(self) -> None:
        """One point of priority is worth `AGEING` seconds of waiting, no more and no less."""
        store = self.make_store()
        store.add(make_record("low", priority=0, wall=NOW))
        store.add(make_record("soon", priority=10, wall=NOW + 10 * AGEING - 0.5))
        store.add(make_record("late", priority=10, wall=NOW + 10 * AGEING + 0.5))
        assert claim_ids(store) == ["soon", "low", "late"]

    def test_the_next_one_counts_not_the_last_one(self) -> None:
        """How long a line has been waiting is told by who is first in it now, not by who was before."""
        store = self.make_store()
        store.add(make_record("gone", wall=NOW))
        store.add(make_record("low", wall=NOW + 1000))
        assert claim_one(store).id == "gone"
        store.add(make_record("high", priority=10, wall=NOW + 1000 + 5 * AGEING))
        assert claim_ids(store) == ["high", "low"]

    def test_has_ready_is_true_while_there_is_something(self) -> None:
        """`has_ready` never says no while `claim` would find a task, and says no at the end."""
        store = self.make_store()
        assert not store.has_ready(THREAD)
        for number in range(3):
            store.add(make_record(str(number), priority=number))
        for _ in range(3):
            assert store.has_ready(THREAD)
            claim_one(store)
        assert store.claim(THREAD, NOW) is None
        assert not store.has_ready(THREAD)
