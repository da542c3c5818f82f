"""What `marks` promises."""

from __future__ import annotations

from collections.abc import Callable

from hypern.records import Again, Completed, Progress, TaskRecord
from hypern.stores.base import Store
from hypern.stores.conformance.suite import COMPLETED, NOW, PENDING, RUNNING, Suite, claim_one, make_record
from hypern.stores.overview import Mark


def mark(store: Store, task_id: str = "a") -> Mark:
    """The mark of a task, which has to be the one of its record."""
    store.flush()
    found = store.marks([task_id])[task_id]
    record = store.get(task_id)
    assert record is not None
    assert found == Mark.of(record)
    return found


class Marking(Suite):
    def test_only_kept_tasks_have_marks(self, store: Store) -> None:
        """There is a mark for each task that was asked for and is kept, and none for others."""
        for task_id in ("a", "b", "c"):
            store.add(make_record(task_id))
        assert set(store.marks(["a", "b", "nobody"])) == {"a", "b"}
        assert store.marks([]) == {}

    def test_every_step_changes_the_mark(self, store: Store) -> None:
        """A task's mark is another one after each step of it, and the same while nothing does."""
        store.add(make_record("a"))
        seen = [mark(store)]
        claimed: list[TaskRecord] = []

        def claim() -> None:
            store.release(1.0, NOW)
            claimed.append(claim_one(store))

        def again() -> None:
            store.finish(claimed[-1], claimed[-1].fence, Again("once", "", 0.0), NOW)

        steps: list[Callable[[], object]] = [
            claim,
            lambda: store.report(claimed[-1], 1, Progress(0.5, "half")),
            again,
            claim,
            lambda: store.cancel("a", NOW),
            lambda: store.finish(claimed[-1], claimed[-1].fence, Completed(1), NOW),
        ]
        for number, step in enumerate(steps):
            step()
            found = mark(store)
            assert found != seen[-1], f"step {number} left {found}"
            assert mark(store) == found
            seen.append(found)
        assert [found.status for found in seen] == [
            PENDING, RUNNING, RUNNING, PENDING, RUNNING, RUNNING, COMPLETED,
        ]  # fmt: skip
