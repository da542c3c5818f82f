"""What `finish` promises about tasks that are to be run again, and about the history of their attempts."""

from __future__ import annotations

from hypern.records import Again, Attempt, Cancelled, Completed, Failed, Progress, TaskRecord
from hypern.stores.base import ATTEMPTS_KEPT, Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    COMPLETED,
    NOW,
    PENDING,
    RUNNING,
    THREAD,
    Suite,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
)


def claim_again(store: Store, steady: float = 0.0, wall: float = NOW) -> TaskRecord:
    release_all(store, steady, wall)
    record = store.claim(THREAD, wall)
    assert record is not None
    return record


class Snoozing(Suite):
    def test_a_snooze_spends_no_attempt(self, store: Store) -> None:
        """finish: after an `Again` that does not count the next start is the same attempt, newly claimed."""
        running = claimed(store, make_record("one"))
        for fence in range(1, 6):
            assert (running.attempt, running.fence) == (1, fence)
            assert finish(store, running, fence, Again("later", None, 0.0, counts=False))
            waiting = kept(store, "one")
            assert (waiting.status, waiting.attempt, waiting.history) == (PENDING, 0, ())
            running = claim_again(store)

    def test_an_ending_of_before_the_snooze_is_refused(self, store: Store) -> None:
        """finish, report: the attempt has the same number, but that claim is over."""
        running = claimed(store, make_record("one"))
        finish(store, running, 1, Again("later", None, 0.0, counts=False))
        assert finish(store, running, 1, Completed("early")) is False
        again = claim_again(store)
        assert again.fence == 2
        assert finish(store, again, 1, Completed("early")) is False
        assert store.report(again, 1, Progress(0.5)) is False
        assert kept(store, "one").status is RUNNING
        assert finish(store, again, 2, Completed("right"))
        assert kept(store, "one").result == "right"

    def test_a_new_attempt_begins_without_progress(self, store: Store) -> None:
        """finish: what the last attempt said of its progress does not stand while the task waits."""
        running = claimed(store, make_record("one"))
        store.report(running, running.fence, Progress(0.9))
        finish(store, running, running.fence, Again("E", "text", 0.0))
        assert kept(store, "one").progress is None

    def test_the_history_of_attempts(self, store: Store) -> None:
        """finish: each attempt that failed is remembered with its number, times, error and traceback; the
        last as well; those that did not count are not."""
        running = claimed(store, make_record("one"))
        finish(store, running, running.fence, Again("first", "text 1", 0.0), NOW + 1)
        running = claim_again(store, wall=NOW + 2)
        finish(store, running, running.fence, Again("later", None, 0.0, counts=False), NOW + 3)
        running = claim_again(store, wall=NOW + 4)
        finish(store, running, running.fence, Again("second", None, 0.0), NOW + 5)
        running = claim_again(store, wall=NOW + 6)
        finish(store, running, running.fence, Failed("third", "text 3"), NOW + 7)
        ended = kept(store, "one")
        assert ended.history == (
            Attempt(1, NOW, NOW + 1, "first", "text 1"),
            Attempt(2, NOW + 4, NOW + 5, "second", None),
            Attempt(3, NOW + 6, NOW + 7, "third", "text 3"),
        )
        assert (ended.attempt, ended.started_at, ended.finished_at) == (3, NOW + 6, NOW + 7)

    def test_success_keeps_the_history(self, store: Store) -> None:
        """finish: a task that succeeded in the end still tells of the attempts before."""
        running = claimed(store, make_record("one"))
        finish(store, running, running.fence, Again("first", "text", 0.0), NOW + 1)
        running = claim_again(store)
        finish(store, running, running.fence, Completed("value"), NOW + 2)
        ended = kept(store, "one")
        assert (ended.status, ended.attempt, ended.result) == (COMPLETED, 2, "value")
        assert [(attempt.number, attempt.error) for attempt in ended.history] == [(1, "first")]

    def test_the_history_is_bounded(self, store: Store) -> None:
        """finish: of very many attempts the last `ATTEMPTS_KEPT` are remembered."""
        running = claimed(store, make_record("one"))
        for number in range(1, ATTEMPTS_KEPT + 6):
            assert running.attempt == number
            finish(store, running, running.fence, Again(f"error {number}", None, 0.0))
            running = claim_again(store)
        history = kept(store, "one").history
        assert [attempt.number for attempt in history] == list(range(6, ATTEMPTS_KEPT + 6))
        assert history[-1].error == f"error {ATTEMPTS_KEPT + 5}"

    def test_a_copy_of_the_history_does_not_change(self, store: Store) -> None:
        """get: what was handed out does not grow with further attempts."""
        running = claimed(store, make_record("one"))
        finish(store, running, running.fence, Again("first", None, 0.0))
        before = kept(store, "one")
        running = claim_again(store)
        finish(store, running, running.fence, Again("second", None, 0.0))
        assert len(before.history) == 1

    def test_the_reason_of_a_cancellation(self, store: Store) -> None:
        """finish, cancel: the reason that is given is kept, None where there is none."""
        finish(store, claimed(store, make_record("one")), 1, Cancelled("no use"))
        finish(store, claimed(store, make_record("two")), 1, Cancelled())
        store.add(make_record("three"))
        store.cancel("three", NOW, "changed my mind")
        store.add(make_record("four"))
        store.cancel("four", NOW)
        kept_ones = [kept(store, task_id) for task_id in ("one", "two", "three", "four")]
        assert {record.status for record in kept_ones} == {CANCELLED}
        assert [record.reason for record in kept_ones] == ["no use", None, "changed my mind", None]
