"""What `cancel` promises."""

from __future__ import annotations

import pytest

from hypern.records import Again, Completed, TaskStatus
from hypern.stores.base import Cancellation
from hypern.stores.conformance.suite import (
    ENDINGS,
    NOW,
    RUNNING,
    THREAD,
    Suite,
    claim_one,
    finish,
    kept,
    make_record,
)


class Cancelling(Suite):
    @pytest.mark.parametrize("due", [None, 5.0])
    def test_a_cancelled_task_never_runs(self, due: float | None) -> None:
        """Cancelling a waiting or delayed task ends it; it is neither claimed nor released afterwards."""
        store = self.make_store()
        store.add(make_record("a", due=due))
        assert store.cancel("a", NOW + 1) is Cancellation.DONE
        ended = kept(store, "a")
        assert (ended.status, ended.finished_at) == (TaskStatus.CANCELLED, NOW + 1)
        store.release(10.0, NOW)
        assert store.claim(THREAD, NOW) is None
        assert kept(store, "a").status is TaskStatus.CANCELLED

    def test_a_running_task_is_asked(self) -> None:
        """Cancelling a running task only marks it; whatever it then does is its ending."""
        store = self.make_store()
        store.add(make_record("a"))
        record = claim_one(store)
        assert store.cancel("a", NOW) is Cancellation.REQUESTED
        marked = kept(store, "a")
        assert (marked.status, marked.cancel_requested) == (RUNNING, True)
        assert record.cancel_requested
        assert finish(store, record, 1, Completed("anyway"), NOW)
        assert kept(store, "a").status is TaskStatus.COMPLETED

    @pytest.mark.parametrize("status", list(ENDINGS))
    def test_an_ended_task_stays_as_it_is(self, status: TaskStatus) -> None:
        """Cancelling an ended task answers None and changes nothing."""
        store = self.make_store()
        store.add(make_record("a"))
        finish(store, claim_one(store), 1, ENDINGS[status], NOW)
        assert store.cancel("a", NOW + 9) is None
        ended = kept(store, "a")
        assert (ended.status, ended.finished_at, ended.cancel_requested) == (status, NOW, False)

    def test_an_unknown_task_cannot_be_cancelled(self) -> None:
        """Cancelling an id that nobody added answers None."""
        assert self.make_store().cancel("nobody", NOW) is None

    def test_a_retry_can_be_cancelled(self) -> None:
        """A task that waits for its next attempt is a waiting task."""
        store = self.make_store()
        store.add(make_record("a"))
        finish(store, claim_one(store), 1, Again("once", "", 5.0), NOW)
        assert store.cancel("a", NOW) is Cancellation.DONE
        store.release(9.0, NOW)
        assert store.claim(THREAD, NOW) is None
