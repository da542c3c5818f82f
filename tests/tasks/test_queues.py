"""Queues as the workers see them, and what decides when a task may start: limits, rates, expiry."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import TaskStatus, background, submit_task
from hypern.clock import ManualClock
from hypern.records import TaskRecord
from hypern.stores.base import EXPIRED
from hypern.stores.retention import Retention


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Callable[[Helped], threading.Semaphore]:
    """Count the looks of an engine at what has become due."""

    def watch(engine: Helped) -> threading.Semaphore:
        looks, release = threading.Semaphore(0), engine.store.release

        def looked(steady: float, wall: float) -> Any:
            lanes = release(steady, wall)
            looks.release()
            return lanes

        monkeypatch.setattr(engine.store, "release", looked)
        return looks

    return watch


def test_a_paused_queue(engine: Helped) -> None:
    """Tasks of a paused queue wait while those of others run, and run when it is resumed."""
    engine.store.set_queue("mail", paused=True)
    held_back = [submit_task(int, queue="mail"), submit_task(wait_nothing, queue="mail")]
    engine.done(submit_task(int), submit_task(wait_nothing))
    assert [engine.now(task_id).status for task_id in held_back] == [TaskStatus.PENDING] * 2
    assert [engine.now(task_id).queue for task_id in held_back] == ["mail"] * 2
    engine.store.set_queue("mail", paused=False)
    engine.done(*held_back)


async def wait_nothing() -> None:
    pass


def test_pausing_while_it_runs(engine: Helped, gate: Gate) -> None:
    """What runs goes on to its end; what waits behind it does not start."""
    running = submit_task(gate.hold, queue="mail")
    gate.wait_entered()
    engine.store.set_queue("mail", paused=True)
    waiting = submit_task(int, queue="mail")
    gate.open()
    assert engine.one(running).result == "held"
    engine.settle()
    assert engine.now(waiting).status is TaskStatus.PENDING


def test_stopping_does_not_wait_for_a_paused_queue(engine: Helped) -> None:
    """drain and stop end at once; the tasks of the paused queue are named as left over."""
    engine.store.set_queue("mail", paused=True)
    task_id = submit_task(int, queue="mail")
    engine.drain(WAIT * 10)
    assert [record.id for record in engine.stop(grace=WAIT * 10)] == [task_id]


def test_a_limit(use: Callable[..., Helped], gate: Gate) -> None:
    """No more of a queue run at once than its limit, though workers are free; others are not held up."""
    engine = use(task_workers=4)
    engine.store.set_queue("mail", limit=2)
    ids = [submit_task(gate.hold, queue="mail") for _ in range(5)]
    gate.wait_entered(2)
    assert engine.one(submit_task(int)).result == 0
    states = [engine.now(task_id).status for task_id in ids]
    assert states == [TaskStatus.RUNNING] * 2 + [TaskStatus.PENDING] * 3
    gate.open()
    engine.done(*ids)


def test_a_limit_over_both_lanes(engine: Helped, gate: Gate) -> None:
    """When a thread's task ends, the coroutine that waited for its place in the queue starts, and the other
    way round."""
    engine.store.set_queue("mail", limit=1)
    first = submit_task(gate.hold, queue="mail")
    gate.wait_entered()
    ids = [submit_task(function, queue="mail") for function in (wait_nothing, int) * 20]
    assert engine.now(ids[0]).status is TaskStatus.PENDING
    gate.open()
    engine.done(first, *ids)


def test_many_under_a_limit(use: Callable[..., Helped]) -> None:
    """Hundreds of short tasks in both lanes under a limit: never more at once, and all of them end."""
    engine = use(task_workers=4)
    engine.store.set_queue("mail", limit=2)
    lock = threading.Lock()
    now, most = 0, 0

    def enter() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1

    async def enter_too() -> None:
        enter()

    calls = [submit_task(function, queue="mail") for function in (enter, enter_too) * 150]
    engine.done(*calls)
    assert 1 <= most <= 2


def test_expired(use: Callable[..., Helped], gate: Gate, released: Any) -> None:
    """A task that nobody could start in time is CANCELLED then, with the reason, and never runs."""
    clock = ManualClock(wall=1_700_000_000.0)
    engine = use(clock, task_workers=1)
    submit_task(gate.hold)
    gate.wait_entered()
    ran: list[int] = []
    task_id = submit_task(ran.append, (1,), expires=5)
    looks = released(engine)
    clock.advance(4.9)
    assert looks.acquire(timeout=WAIT)
    assert engine.now(task_id).status is TaskStatus.PENDING
    clock.advance(0.2)
    assert looks.acquire(timeout=WAIT)
    result = engine.one(task_id)
    assert (result.status, result.reason, result.attempt) == (TaskStatus.CANCELLED, EXPIRED, 0)
    assert result.finished_at is not None
    assert result.finished_at.timestamp() == pytest.approx(1_700_000_005.1)
    gate.open()
    engine.settle()
    assert ran == []


def test_expiry_counts_from_the_due_time(use: Callable[..., Helped], gate: Gate, released: Any) -> None:
    """A delayed task has its `expires` seconds after its delay."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    submit_task(gate.hold)
    gate.wait_entered()
    task_id = submit_task(int, delay_seconds=10, expires=5)
    looks = released(engine)
    clock.advance(14)
    assert looks.acquire(timeout=WAIT)
    assert engine.now(task_id).status is TaskStatus.PENDING
    clock.advance(1)
    assert looks.acquire(timeout=WAIT)
    assert engine.one(task_id).status is TaskStatus.CANCELLED


def test_what_has_started_does_not_expire(use: Callable[..., Helped], gate: Gate) -> None:
    """A task that began in time runs to its end, and so do its further attempts."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    times = iter(range(2))

    def fails_once() -> str:
        gate.hold()
        clock.advance(10)
        if next(times) == 0:
            raise ValueError
        return "late"

    task_id = submit_task(fails_once, expires=5, retries=1, backoff=0)
    gate.open()
    result = engine.one(task_id)
    assert (result.result, result.attempt) == ("late", 2)


def test_claimed_too_late(use: Callable[..., Helped], monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """A worker that comes to an expired task before the store does not run it either."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    submit_task(gate.hold)
    gate.wait_entered()
    monkeypatch.setattr(engine.store, "release", lambda steady, wall: ())
    ran: list[int] = []
    task_id = submit_task(ran.append, (1,), expires=5)
    clock.advance(5)
    gate.open()
    result = engine.one(task_id)
    assert (result.status, result.reason) == (TaskStatus.CANCELLED, EXPIRED)
    assert ran == []


@pytest.mark.parametrize("lane", ["thread", "loop"])
def test_a_rate(use: Callable[..., Helped], monkeypatch: pytest.MonkeyPatch, lane: str) -> None:
    """However many workers there are, starts are never closer together than the rate says, none is lost, and
    they come in order."""
    engine = use(task_workers=4)
    admit, starts = engine.store.admit, list[float]()

    def admitted(record: TaskRecord, fence: int, steady: float, wall: float) -> bool:
        starts_now = admit(record, fence, steady, wall)
        if starts_now:
            starts.append(steady)
        return starts_now

    monkeypatch.setattr(engine.store, "admit", admitted)
    done: list[int] = []

    def note(number: int) -> None:
        done.append(number)

    async def note_too(number: int) -> None:
        done.append(number)

    task = background(rate="100/s")(note if lane == "thread" else note_too)
    engine.done(*task.submit_many([(number,) for number in range(30)]))
    assert sorted(done) == list(range(30))
    assert len(starts) == 30
    gaps = [after - before for before, after in itertools.pairwise(sorted(starts))]
    assert min(gaps) >= 0.01 - 1e-9


def test_a_rate_holds_up_nobody_else(engine: Helped) -> None:
    """Tasks that wait for their place hold no worker: others pass by."""
    slow = background(rate="1/h")(int)
    ids = slow.submit_many([() for _ in range(50)])
    others = [submit_task(abs, (number,)) for number in range(50)]
    engine.done(ids[0], *others)
    left = [engine.now(task_id) for task_id in ids[1:]]
    assert {(result.status, result.attempt, result.started_at) for result in left} == {
        (TaskStatus.PENDING, 0, None)
    }


def test_a_time_to_keep_the_result(use: Callable[..., Helped]) -> None:
    """result_ttl: how long a result can be looked up, longer or shorter than usual."""
    clock = ManualClock()
    engine = use(clock, task_result_ttl=60)
    ids = [submit_task(int, result_ttl=ttl) for ttl in (0, 10, None, 600)]
    engine.settle()
    left = {}
    for passed in (0, 10, 60, 600):
        engine.store.prune(clock.wall() + passed)
        left[passed] = [engine.look(task_id) is not None for task_id in ids]
    assert left == {
        0: [False, True, True, True],
        10: [False, False, True, True],
        60: [False, False, False, True],
        600: [False, False, False, False],
    }


def test_the_number_of_results_is_bounded() -> None:
    """Also of those with a time of their own only so many are kept; the first go whose time is over first."""
    retention = Retention(2, 60.0)
    spec = {ttl: background(result_ttl=ttl)(int).spec for ttl in (5, 50, 500)}
    records = {ttl: TaskRecord(str(ttl), spec[ttl], (), {}, 0.0, None, None, 0.0) for ttl in spec}
    assert [retention.add(records[ttl]) for ttl in (500, 5)] == [None, None]
    assert retention.add(records[50]) is records[5]
