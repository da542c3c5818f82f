"""What `add_many` and `add_soon` promise."""

from __future__ import annotations

import threading

import pytest

from hypern.errors import QueueFull
from hypern.records import Again, Completed, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    COMPLETED,
    LOOP,
    NOW,
    PENDING,
    THREAD,
    Suite,
    claim_ids,
    claimed,
    finish,
    kept,
    make_record,
    release_all,
    together,
)


class AddingMany(Suite):
    def test_all_are_added_in_order(self, store: Store) -> None:
        """add_many: every one is there afterwards, in its lane, and is claimed in the order given."""
        ids = [f"n{number}" for number in range(50)]
        records = [make_record(task_id) for task_id in ids]
        records += [make_record("loop", lane=LOOP), make_record("delayed", due=5.0)]
        assert store.add_many(records) == [None] * 52
        assert claim_ids(store, THREAD) == ids
        assert claim_ids(store, LOOP) == ["loop"]
        release_all(store, 5.0)
        assert claim_ids(store) == ["delayed"]

    def test_none_at_all(self, store: Store) -> None:
        """add_many: nothing to add is nothing added."""
        assert store.add_many([]) == []
        assert store.count()[PENDING] == 0

    def test_all_or_none(self) -> None:
        """add_many: where not all fit QueueFull is raised, and nothing of them can be noticed."""
        store = self.make_store(capacity=3, keep=1)
        finish(store, claimed(store, make_record("kept")), 1, Completed(1))
        store.add(make_record("one"))
        store.add(make_record("two", due=5.0))
        before = store.count()
        many = [
            make_record("three", unique_key="k", unique_for=1e6),
            make_record("four", due=1.0),
            make_record("five", expires_at=0.5, queue="other"),
        ]
        with pytest.raises(QueueFull) as refused:
            store.add_many(many)
        assert refused.value.limit == 3
        assert store.count() == before
        assert kept(store, "kept").status is COMPLETED
        assert [record.id for record in store.find(set(TaskStatus))] == ["kept", "one", "two"]
        assert store.next_due() == 5.0
        assert [queue.name for queue in store.queues()] == ["default"]
        assert claim_ids(store) == ["one"]
        assert store.add(make_record("three", unique_key="k", wall=NOW + 1)) is None
        assert claim_ids(store) == ["three"]

    def test_duplicates_need_no_room(self) -> None:
        """add_many: in a store that retries have filled beyond its limit, these are not refused."""
        store = self.make_store(capacity=1)
        running = claimed(store, make_record("one"))
        store.add(make_record("two", unique_key="k"))
        finish(store, running, 1, Again("once", None, 5.0))
        assert store.add_many([]) == []
        assert store.add_many([make_record("one"), make_record("three", unique_key="k")]) == ["one", "two"]
        with pytest.raises(QueueFull):
            store.add_many([make_record("one"), make_record("four")])

    def test_exactly_as_many_as_fit(self) -> None:
        """add_many: a store that has room for just these takes them; duplicates need no room."""
        store = self.make_store(capacity=3)
        store.add(make_record("one", unique_key="k"))
        records = [
            make_record("two"),
            make_record("one"),
            make_record("duplicate", unique_key="k"),
            make_record("three"),
        ]
        assert store.add_many(records) == [None, "one", "one", None]
        assert claim_ids(store) == ["one", "two", "three"]

    def test_duplicates_among_themselves(self, store: Store) -> None:
        """add_many: those that bear the id or the key of one before them are answered with its id."""
        records = [
            make_record("one", unique_key="k"),
            make_record("two", unique_key="k"),
            make_record("three", unique_key="other"),
            make_record("three", args=("again",)),
        ]
        assert store.add_many(records) == [None, "one", None, "three"]
        assert kept(store, "three").args == ()
        assert store.count()[PENDING] == 2

    def test_no_part_of_many_is_seen(self) -> None:
        """add_many: whoever counts meanwhile sees none of them or all, also where they do not fit."""
        store = self.make_store(capacity=300)
        seen: set[int] = set()
        done = threading.Event()

        def work(number: int) -> None:
            if number:
                while not done.is_set():
                    seen.add(store.count()[PENDING])
                return
            try:
                store.add_many([make_record() for _ in range(200)])
                for _ in range(20):
                    with pytest.raises(QueueFull):
                        store.add_many([make_record() for _ in range(101)])
            finally:
                done.set()

        together(work, threads=2)
        assert seen <= {0, 200}

    def test_add_soon(self, store: Store) -> None:
        """add_soon: tells when the task is kept, or which one stands for it."""
        heard: list[tuple[str | None, BaseException | None]] = []
        told = threading.Semaphore(0)

        def done(answer: str | None, error: BaseException | None) -> None:
            heard.append((answer, error))
            told.release()

        store.add_soon(make_record("one", unique_key="k"), done)
        assert told.acquire(timeout=20)
        assert kept(store, "one").status is PENDING
        store.add_soon(make_record("two", unique_key="k"), done)
        assert told.acquire(timeout=20)
        assert heard == [(None, None), ("one", None)]

    def test_add_soon_in_a_full_store(self) -> None:
        """add_soon: QueueFull is told, not raised, and nothing was added."""
        store = self.make_store(capacity=1)
        store.add(make_record("one"))
        errors: list[BaseException | None] = []
        told = threading.Event()

        def done(answer: str | None, error: BaseException | None) -> None:
            errors.append(error)
            told.set()

        store.add_soon(make_record("two"), done)
        assert told.wait(20)
        assert [type(error) for error in errors] == [QueueFull]
        assert store.get("two") is None
