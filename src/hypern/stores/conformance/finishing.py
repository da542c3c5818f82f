"""What `finish` promises."""

from __future__ import annotations

import pytest

from hypern.errors import QueueFull
from hypern.records import Again, Completed, TaskStatus
from hypern.stores.conformance.suite import (
    ENDINGS,
    FAILURE,
    NOW,
    PENDING,
    RUNNING,
    THREAD,
    Suite,
    claim_one,
    finish,
    kept,
    make_record,
)


class Finishing(Suite):
    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_finish_writes_the_ending(self, status: TaskStatus) -> None:
        """Each ending leads to its state, with the value or the error and the time."""
        store = self.make_store()
        store.add(make_record("a"))
        assert finish(store, claim_one(store), 1, ENDINGS[status], NOW + 5)
        ended = kept(store, "a")
        assert (ended.status, ended.finished_at) == (status, NOW + 5)
        assert ended.result == (42 if status is TaskStatus.COMPLETED else None)
        failed = status is TaskStatus.FAILED
        assert (ended.error, ended.traceback) == (
            (FAILURE.error, FAILURE.traceback) if failed else (None, None)
        )

    def test_finish_writes_why_a_result_was_omitted(self) -> None:
        """A value that could not be kept leaves its reason."""
        store = self.make_store()
        store.add(make_record("a"))
        finish(store, claim_one(store), 1, Completed(None, "too big"), NOW)
        ended = kept(store, "a")
        assert (ended.status, ended.result_omitted) == (TaskStatus.COMPLETED, "too big")

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_the_first_ending_stands(self, status: TaskStatus) -> None:
        """A second ending of the same attempt is refused and changes nothing."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        finish(store, record, 1, ENDINGS[status], NOW)
        before = store.count()
        for ending in (*ENDINGS.values(), Again("late", "", 0.0)):
            assert finish(store, record, 1, ending, NOW + 9) is False
        assert kept(store, "a").status is status
        assert store.count() == before

    def test_an_old_attempt_cannot_end_a_new_one(self) -> None:
        """While the second attempt runs, an ending of the first is refused."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        finish(store, record, 1, Again("once", "", 1.0), NOW)
        store.release(1.0, NOW)
        again = claim_one(store)
        assert again.attempt == 2
        assert finish(store, record, 1, Completed("late"), NOW) is False
        assert kept(store, "a").status is RUNNING
        assert finish(store, again, 2, Completed("right"), NOW)

    def test_a_waiting_task_cannot_be_finished(self) -> None:
        """An ending for a task that waits for its next attempt is refused."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        finish(store, record, 1, Again("once", "", 5.0), NOW)
        assert finish(store, record, 1, Completed("late"), NOW) is False
        assert kept(store, "a").status is PENDING

    def test_again_waits_for_its_time(self) -> None:
        """`Again` makes the task PENDING, to be claimed from its due time on, one attempt higher."""
        store = self.make_store()
        store.add(make_record("a", retries=1))
        assert finish(store, claim_one(store), 1, Again("ValueError: once", "", 5.0), NOW)
        assert kept(store, "a").status is PENDING
        assert store.claim(THREAD, NOW) is None
        store.release(4.9, NOW)
        assert store.claim(THREAD, NOW) is None
        store.release(5.0, NOW)
        assert claim_one(store).attempt == 2

    def test_again_is_never_refused(self) -> None:
        """A retry finds its place in a full store, and still counts there."""
        store = self.make_store(capacity=1)
        store.add(make_record("a"))
        record = claim_one(store)
        store.add(make_record("b"))
        assert finish(store, record, 1, Again("once", "", 5.0), NOW)
        assert store.count()[PENDING] == 2
        with pytest.raises(QueueFull):
            store.add(make_record("c"))
