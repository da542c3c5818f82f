"""Further attempts: how many, when, and that a queue always has room for them."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.tasks.conftest import WAIT, Heard

from hypern import TaskStatus, submit_task
from hypern.clock import ManualClock
from hypern.records import Backoff
from hypern.tasks import retry


def fails() -> None:
    raise ValueError("no luck")


def test_retries_wait_and_then_fail(use: Any) -> None:
    """Each retry waits its time, counts as an attempt, and the last failure is the outcome."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    heard = Heard()
    engine.events.listen(heard)
    task_id = submit_task(fails, retries=2)
    for attempt in (1, 2):
        assert engine.wait_until(lambda attempt=attempt: engine.now(task_id).attempt == attempt, WAIT)
        assert engine.wait_until(lambda: not engine.now(task_id).is_running(), WAIT)
        clock.advance(60.0)
    result = engine.one(task_id)
    assert (result.status, result.attempt, result.error) == (TaskStatus.FAILED, 3, "ValueError: no luck")
    engine.one(submit_task(int))
    assert heard.names(task_id) == [
        "submitted",
        "started",
        "retried",
        "started",
        "retried",
        "started",
        "finished",
    ]


def test_the_waits_grow_and_spread() -> None:
    """The wait is between nothing and a ceiling that doubles up to a minute, whatever the attempt."""
    waits = [retry.backoff(attempt, Backoff(), 1.0) for attempt in (1, 2, 3, 7, 50, 10**6)]
    assert waits == [1, 2, 4, 60, 60, 60]
    assert retry.backoff(5, Backoff(), 0.0) == 0
    drawn = [retry.backoff(4, Backoff()) for _ in range(2000)]
    assert 0 <= min(drawn) < 1
    assert 7 < max(drawn) <= 8


def test_a_retry_never_meets_a_full_queue(use: Any) -> None:
    """A failed task finds its place though the queue is full."""
    engine = use(ManualClock(), task_workers=1, task_queue_size=1)
    begun, go_on = threading.Event(), threading.Event()

    def fails_late() -> None:
        begun.set()
        go_on.wait(WAIT)
        raise ValueError

    task_id = submit_task(fails_late, retries=1)
    assert begun.wait(WAIT)
    submit_task(int, delay_seconds=1e6)
    go_on.set()
    assert engine.wait_until(lambda: engine.now(task_id).status is TaskStatus.PENDING, WAIT)


def test_a_retry_comes_when_it_is_due(use: Any) -> None:
    """Attempts follow each other as soon as the wait is over, not at some next look at the clock."""
    engine = use(task_workers=1)
    engine.one(submit_task(int))
    started = time.monotonic()
    assert engine.one(submit_task(fails, retries=5, backoff=0)).attempt == 6
    assert time.monotonic() - started < 5


def test_a_waiting_retry_tells_its_error_only_in_the_end(use: Any) -> None:
    """Between two attempts a task is PENDING; `error` belongs to FAILED alone."""
    engine = use(ManualClock(), task_workers=1)
    task_id = submit_task(fails, retries=1)
    assert engine.wait_until(lambda: engine.now(task_id).attempt == 1, WAIT)
    assert engine.wait_until(lambda: engine.now(task_id).status is TaskStatus.PENDING, WAIT)
    waiting = engine.now(task_id)
    assert (waiting.error, waiting.traceback, waiting.is_pending()) == (None, None, True)


def test_success_ends_the_retries(use: Any) -> None:
    """A task that succeeds at its second attempt is COMPLETED, without an error."""
    engine = use(task_workers=1)
    attempts = iter([ValueError("once"), None])

    async def flaky() -> str:
        if (error := next(attempts)) is not None:
            raise error
        return "at last"

    result = engine.one(submit_task(flaky, retries=5, backoff=0))
    assert (result.result, result.attempt, result.error) == ("at last", 2, None)
