"""That every verb is atomic: eight threads at once, and each thing still happens exactly once."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial

from hypern.errors import QueueFull
from hypern.records import Again, Completed, Ending, Progress, TaskRecord, TaskStatus
from hypern.stores.base import Cancellation, Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    COMPLETED,
    NOW,
    PENDING,
    THREAD,
    Suite,
    claimed,
    finish,
    kept,
    make_record,
    together,
)


class Racing(Suite):
    def test_each_attempt_is_claimed_once(self) -> None:
        """claim: eight threads that add and claim get every attempt of every task exactly once."""
        store = self.make_store(capacity=4000, keep=4000)
        attempts: list[tuple[str, int]] = []

        def claim_and_finish() -> bool:
            record = store.claim(THREAD, NOW)
            if record is None:
                return False
            attempt = record.attempt
            attempts.append((record.id, attempt))
            ending: Ending = Again("E", "text", 0.0) if attempt < 3 else Completed(None)
            assert finish(store, record, attempt, ending, NOW)
            return True

        def work(number: int) -> None:
            for round_ in range(100):
                store.add(make_record(f"{number}-{round_}"))
                claim_and_finish()
                store.release(1.0, NOW)

        together(work)
        while claim_and_finish() or store.release(1.0, NOW):
            pass
        ids = [f"{number}-{round_}" for number in range(8) for round_ in range(100)]
        assert Counter(attempts) == Counter((task_id, attempt) for task_id in ids for attempt in (1, 2, 3))
        assert store.count() == dict.fromkeys(TaskStatus, 0) | {COMPLETED: 800}

    def test_progress_never_goes_back(self, store: Store) -> None:
        """report, get: whoever looks while progress is written down sees what was said last, or later."""
        running = claimed(store, make_record())
        assert store.report(running, 1, Progress(0.0))
        seen: list[float] = []

        def work(number: int) -> None:
            if number:
                while not seen or seen[-1] < 1.0:
                    progress = kept(store, running.id).progress
                    seen.append(-1.0 if progress is None or progress.fraction is None else progress.fraction)
                return
            for step in range(1, 201):
                assert store.report(running, 1, Progress(step / 200))
                store.flush()

        together(work, threads=2)
        assert seen[0] >= 0.0
        assert seen == sorted(seen)

    def test_one_ending_wins(self, store: Store) -> None:
        """finish: of eight endings of one attempt exactly one is written down, and it is that one."""
        for _ in range(30):
            running = claimed(store, make_record())
            won: list[int] = []
            together(partial(_finish, store, running, won))
            assert [kept(store, running.id).result] == won

    def test_cancelled_or_claimed(self, store: Store) -> None:
        """cancel, claim: a task that is cancelled while it is claimed is either stopped or asked to stop."""
        for number in range(60):
            task_id = f"n{number}"
            store.add(make_record(task_id))
            claims: list[TaskRecord | None] = []
            answers: list[Cancellation | None] = []
            together(partial(_cancel_or_claim, store, task_id, answers, claims), threads=2)
            after = kept(store, task_id)
            if claims == [None]:
                assert (answers, after.status) == ([Cancellation.DONE], CANCELLED)
            else:
                assert (answers, after.cancel_requested) == ([Cancellation.REQUESTED], True)

    def test_the_limit_holds(self) -> None:
        """add: eight threads that add without end get exactly as many tasks in as the store may hold."""
        store = self.make_store(capacity=500)
        added = Counter[bool]()
        lock = threading.Lock()

        def work(number: int) -> None:
            for round_ in range(100):
                try:
                    fits = store.add(make_record(due=5.0 if round_ % 2 else None)) is None
                except QueueFull:
                    fits = False
                with lock:
                    added[fits] += 1

        together(work)
        assert added == {True: 500, False: 300}
        assert store.count()[PENDING] == 500

    def test_one_id_is_added_once(self, store: Store) -> None:
        """add: of eight threads that add a task of the same id exactly one succeeds."""
        for number in range(30):
            answers: list[bool] = []
            together(partial(_add, store, f"n{number}", answers))
            assert sorted(answers) == [False] * 7 + [True]
        assert store.count()[PENDING] == 30

    def test_no_half_of_it_is_seen(self, store: Store) -> None:
        """get: whoever looks while others write sees a task before or after a step, never in between."""
        halves: list[str] = []
        done = threading.Event()

        def work(number: int) -> None:
            if number == 0:
                try:
                    for _ in range(300):
                        running = claimed(store, make_record("one"))
                        finish(store, running, 1, Completed("value"), NOW + 1)
                        store.prune(NOW + 1000)
                finally:
                    done.set()
            while not done.is_set():
                record = store.get("one")
                if record is None:
                    continue
                ended = record.status is COMPLETED
                whole = ended == (record.result == "value") == (record.finished_at == NOW + 1)
                if not whole or (record.status is PENDING) != (record.attempt == 0):
                    halves.append(repr(record))

        together(work, threads=3)
        assert halves == []


def _finish(store: Store, running: TaskRecord, won: list[int], number: int) -> None:
    if finish(store, running, 1, Completed(number), NOW):
        won.append(number)


def _cancel_or_claim(
    store: Store,
    task_id: str,
    answers: list[Cancellation | None],
    claims: list[TaskRecord | None],
    number: int,
) -> None:
    if number:
        claims.append(store.claim(THREAD, NOW))
    else:
        answers.append(store.cancel(task_id, NOW))


def _add(store: Store, task_id: str, answers: list[bool], number: int) -> None:
    answers.append(store.add(make_record(task_id)) is None)
