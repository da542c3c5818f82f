"""What `add` promises about tasks that bear a `unique_key`."""

from __future__ import annotations

from functools import partial

import pytest

from hypern.errors import QueueFull
from hypern.records import Again, TaskRecord, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    ENDINGS,
    NOW,
    PENDING,
    Suite,
    claim_ids,
    claim_one,
    claimed,
    finish,
    make_record,
    release_all,
    together,
)


class Uniqueness(Suite):
    def test_the_first_stands_for_the_others(self, store: Store) -> None:
        """add: while a task waits or runs, one with the same key is not added, and the first one's id
        answered; the same key under other names, queues and lanes is still the same key."""
        store.add(make_record("first", unique_key="k"))
        assert store.add(make_record("second", unique_key="k")) == "first"
        assert store.add(make_record("third", unique_key="k", queue="other")) == "first"
        running = claim_one(store)
        assert store.add(make_record("fourth", unique_key="k")) == "first"
        finish(store, running, 1, Again("once", None, 5.0))
        assert store.add(make_record("fifth", unique_key="k")) == "first"
        release_all(store, 5.0)
        assert claim_ids(store) == ["first"]
        assert [store.get(task_id) for task_id in ("second", "third", "fourth", "fifth")] == [None] * 4

    def test_one_that_was_not_added_leaves_its_queue_as_it_was(self, store: Store) -> None:
        """add: where another task stands for the first one of a queue, the next one is claimed."""
        store.add(make_record("first", unique_key="k"))
        assert store.add(make_record("second", unique_key="k", queue="other")) == "first"
        assert store.add(make_record("third", queue="other")) is None
        assert sorted(claim_ids(store)) == ["first", "third"]

    def test_other_keys_are_free(self, store: Store) -> None:
        """add: a task with another key, or with none, is added."""
        store.add(make_record("first", unique_key="k"))
        assert store.add(make_record("second", unique_key="K")) is None
        assert store.add(make_record("third")) is None
        assert store.count()[PENDING] == 3

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_the_end_frees_the_key(self, store: Store, status: TaskStatus) -> None:
        """finish: with its end, whichever it is, a task frees its key, also if it is still kept."""
        finish(store, claimed(store, make_record("first", unique_key="k")), 1, ENDINGS[status])
        assert store.add(make_record("second", unique_key="k")) is None
        assert claim_ids(store) == ["second"]

    def test_cancelling_frees_the_key(self, store: Store) -> None:
        """cancel: a task that was cancelled while it waited stands for nobody any more."""
        store.add(make_record("first", unique_key="k", due=5.0))
        store.cancel("first", NOW)
        assert store.add(make_record("second", unique_key="k")) is None

    def test_expiry_frees_the_key(self, store: Store) -> None:
        """release: a task that has expired stands for nobody any more."""
        store.add(make_record("first", unique_key="k", expires_at=5.0))
        release_all(store, 5.0)
        assert store.add(make_record("second", unique_key="k")) is None

    def test_the_key_can_outlive_the_task(self, store: Store) -> None:
        """add: with `unique_for` a task stands for those submitted less than so long after it, though it
        has ended, and though it is kept no more."""
        finish(store, claimed(store, make_record("first", unique_key="k", unique_for=100.0)), 1, ENDINGS_DONE)
        assert store.add(make_record("second", unique_key="k", wall=NOW + 50)) == "first"
        store.prune(NOW + 90)
        assert store.get("first") is None
        assert store.add(make_record("third", unique_key="k", wall=NOW + 99)) == "first"
        assert store.add(make_record("fourth", unique_key="k", wall=NOW + 100)) is None

    def test_a_time_does_not_end_the_task(self, store: Store) -> None:
        """add: a task stands for others as long as it waits or runs, also after its `unique_for`."""
        store.add(make_record("first", unique_key="k", unique_for=10.0))
        store.prune(NOW + 20)
        assert store.add(make_record("second", unique_key="k", wall=NOW + 20)) == "first"
        finish(store, claim_one(store), 1, ENDINGS_DONE, NOW + 21)
        assert store.add(make_record("third", unique_key="k", wall=NOW + 21)) is None

    def test_the_next_one_takes_the_key_over(self, store: Store) -> None:
        """add: when the first one's time is over the next holder is the one that was added last."""
        finish(store, claimed(store, make_record("first", unique_key="k", unique_for=10.0)), 1, ENDINGS_DONE)
        store.add(make_record("second", unique_key="k", wall=NOW + 10))
        assert store.add(make_record("third", unique_key="k", wall=NOW + 11)) == "second"
        finish(store, claim_one(store), 1, ENDINGS_DONE, NOW + 12)
        assert store.add(make_record("fourth", unique_key="k", wall=NOW + 12)) is None

    def test_a_duplicate_is_no_matter_of_room(self) -> None:
        """add: a full store answers a duplicate with the first id, not with QueueFull."""
        store = self.make_store(capacity=1)
        store.add(make_record("first", unique_key="k"))
        assert store.add(make_record("second", unique_key="k")) == "first"
        with pytest.raises(QueueFull):
            store.add(make_record("third", unique_key="other"))
        store.cancel("first", NOW)
        assert store.add(make_record("fourth", unique_key="other")) is None

    def test_one_wins_the_race(self, store: Store) -> None:
        """add: of eight threads that add a task with the same key exactly one does, the others get its id."""
        for number in range(30):
            answers: list[tuple[str, str | None]] = []
            together(partial(_add, store, number, answers))
            added = [task_id for task_id, answer in answers if answer is None]
            assert len(added) == 1
            assert {answer for _, answer in answers} == {None, added[0]}
        assert store.count()[PENDING] == 30


ENDINGS_DONE = ENDINGS[TaskStatus.COMPLETED]


def _add(store: Store, key: int, answers: list[tuple[str, str | None]], number: int) -> None:
    record: TaskRecord = make_record(unique_key=f"key {key}")
    answers.append((record.id, store.add(record)))
