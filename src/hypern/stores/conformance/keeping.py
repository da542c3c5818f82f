"""What `get`, `find`, `count`, `report` and `prune` promise about what is kept, and how long."""

from __future__ import annotations

from hypern.records import Again, Completed, Ending, Failed, Progress, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NOW,
    PENDING,
    RUNNING,
    Suite,
    claim_ids,
    claim_one,
    claimed,
    finish,
    kept,
    make_record,
)


def find_ids(store: Store, *statuses: TaskStatus) -> list[str]:
    return [record.id for record in store.find(statuses)]


class Keeping(Suite):
    def test_unknown_ids(self, store: Store) -> None:
        """get: None for an id that is not kept."""
        assert store.get("unknown") is None
        assert store.get("") is None

    def test_a_copy_does_not_change(self, store: Store) -> None:
        """get: what was handed out stays as it was while the task goes on."""
        store.add(make_record("one"))
        waiting = kept(store, "one")
        running_record = claim_one(store)
        running = kept(store, "one")
        finish(store, running_record, 1, Completed(5), NOW)
        assert (waiting.status, waiting.attempt, waiting.started_at) == (PENDING, 0, 0.0)
        assert (running.status, running.attempt, running.result) == (RUNNING, 1, None)

    def test_a_copy_changes_nothing(self, store: Store) -> None:
        """get, find: writing to what was handed out does not reach the store."""
        store.add(make_record("one"))
        kept(store, "one").status = COMPLETED
        store.find({PENDING})[0].attempt = 7
        assert (kept(store, "one").status, kept(store, "one").attempt) == (PENDING, 0)
        assert claim_ids(store) == ["one"]

    def test_find_by_state(self, store: Store) -> None:
        """find: all tasks in one of the states, in the order in which they were added."""
        running = claimed(store, make_record("running"))
        ended = claimed(store, make_record("ended"))
        finish(store, ended, 1, Completed(None), NOW)
        store.add(make_record("delayed", due=5.0))
        store.add(make_record("waiting"))
        assert [record.id for record in store.find({PENDING})] == ["delayed", "waiting"]
        assert [record.id for record in store.find({PENDING, RUNNING})] == ["running", "delayed", "waiting"]
        assert [record.id for record in store.find(set(TaskStatus))] == [
            "running",
            "ended",
            "delayed",
            "waiting",
        ]
        assert store.find(set()) == []
        finish(store, running, 1, Failed("E", "text"), NOW)
        assert [record.id for record in store.find({FAILED})] == ["running"]

    def test_counts_add_up(self, store: Store) -> None:
        """count: an entry for every state, and each task in exactly one of them, all along its way."""
        assert store.count() == dict.fromkeys(TaskStatus, 0)
        for number in range(6):
            store.add(make_record(f"n{number}"))
        assert store.count() == dict.fromkeys(TaskStatus, 0) | {PENDING: 6}
        running = [claim_one(store) for _ in range(4)]
        assert store.count() == dict.fromkeys(TaskStatus, 0) | {PENDING: 2, RUNNING: 4}
        endings: list[Ending] = [Completed(1), Failed("E", "text"), Again("E", "text", 5.0)]
        for record, ending in zip(running, endings, strict=False):
            finish(store, record, 1, ending, NOW)
        store.cancel("n4", NOW)
        store.cancel("n3", NOW)  # runs, and goes on running
        assert store.count() == {PENDING: 2, RUNNING: 1, COMPLETED: 1, FAILED: 1, CANCELLED: 1}
        store.prune(NOW + 1000)
        assert store.count() == {PENDING: 2, RUNNING: 1, COMPLETED: 0, FAILED: 0, CANCELLED: 0}

    def test_progress_of_a_running_attempt(self, store: Store) -> None:
        """report: what a running attempt says of itself can be looked up, the last word counts."""
        running = claimed(store, make_record())
        assert store.report(running, 1, Progress(0.25, "rows read")) is True
        assert kept(store, running.id).progress == Progress(0.25, "rows read")
        assert store.report(running, 1, Progress(0.5)) is True
        assert kept(store, running.id).progress == Progress(0.5)

    def test_progress_of_any_other_attempt(self, store: Store) -> None:
        """report: False, and nothing is written, for an attempt that does not run."""
        running = claimed(store, make_record())
        assert store.report(running, 2, Progress(0.5)) is False
        finish(store, running, 1, Again("E", "text", 1.0), NOW)
        assert store.report(running, 1, Progress(0.5)) is False
        store.release(1.0, NOW)
        again = claim_one(store)
        assert store.report(again, 1, Progress(0.5)) is False
        finish(store, again, 2, Completed(None), NOW)
        assert store.report(again, 2, Progress(0.5)) is False
        assert kept(store, running.id).progress is None

    def test_kept_for_its_time(self, store: Store) -> None:
        """prune: an ended task is kept for `keep_seconds` and forgotten then; it counts what it forgot."""
        finish(store, claimed(store, make_record("n0")), 1, Completed(1), NOW)
        finish(store, claimed(store, make_record("n1")), 1, Failed("E", "text"), NOW + 1)
        store.add(make_record("n2"))
        store.cancel("n2", NOW + 2)
        assert store.prune(NOW + 59.9) == 0
        assert store.prune(NOW + 61.5) == 2
        assert [store.get(f"n{number}") is None for number in range(3)] == [True, True, False]
        assert store.prune(NOW + 62) == 1
        assert store.count() == dict.fromkeys(TaskStatus, 0)

    def test_a_forgotten_id_is_free(self, store: Store) -> None:
        """prune, add: a forgotten id is unknown, and a task may bear it again."""
        finish(store, claimed(store, make_record("one")), 1, Completed(1), NOW)
        store.prune(NOW + 61)
        assert store.cancel("one", NOW) is None
        assert store.add(make_record("one")) is None
        assert claim_ids(store) == ["one"]

    def test_only_what_has_ended_is_forgotten(self, store: Store) -> None:
        """prune: a task that has not ended is never forgotten, however old it is."""
        claimed(store, make_record("running"))
        store.add(make_record("delayed", due=1e9))
        store.add(make_record("waiting"))
        assert store.prune(NOW + 1e9) == 0
        assert [store.get(task_id) is not None for task_id in ("running", "waiting", "delayed")] == [True] * 3

    def test_kept_by_number(self) -> None:
        """prune: no more than `keep` ended tasks are kept after it, those that ended last."""
        store = self.make_store(capacity=100, keep=3, keep_seconds=60.0)
        claimed(store, make_record("running"))
        for number in (4, 0, 3, 1, 2):
            finish(store, claimed(store, make_record(f"n{number}")), 1, Completed(None), NOW)
        store.add(make_record("waiting"))
        store.prune(NOW)
        assert set(find_ids(store, COMPLETED)) == {"n3", "n1", "n2"}
        assert find_ids(store, PENDING, RUNNING) == ["running", "waiting"]

    def test_kept_for_a_time_of_its_own(self, store: Store) -> None:
        """prune: a task with a `result_ttl` is kept just so long, be it more or less than `keep_seconds`."""
        for task_id, result_ttl in [("zero", 0.0), ("short", 5.0), ("usual", None), ("long", 500.0)]:
            finish(store, claimed(store, make_record(task_id, result_ttl=result_ttl)), 1, Completed(1), NOW)
        store.add(make_record("cancelled", result_ttl=7.0))
        store.cancel("cancelled", NOW)
        assert kept(store, "zero").result == 1
        left = {}
        for passed in (0, 4.9, 5, 7, 59.9, 61, 499, 501):
            store.prune(NOW + passed)
            left[passed] = len(find_ids(store, *TaskStatus))
        assert left == {0: 4, 4.9: 4, 5: 3, 7: 2, 59.9: 2, 61: 1, 499: 1, 501: 0}
        assert store.count() == dict.fromkeys(TaskStatus, 0)

    def test_a_time_of_its_own_begins_at_the_end(self, store: Store) -> None:
        """prune: `result_ttl` counts from the end of the task, so one that waits or runs is kept."""
        running = claimed(store, make_record("running", result_ttl=1.0))
        store.add(make_record("waiting", result_ttl=1.0))
        assert store.prune(NOW + 1000) == 0
        finish(store, running, running.fence, Completed(1), NOW + 1000)
        assert store.prune(NOW + 1000.5) == 0
        assert store.prune(NOW + 1001) == 1
