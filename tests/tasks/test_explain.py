"""What `explain` says: of tasks that wait, run, have ended, or are unknown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import Cancel, Hypern, Retry, Snooze, cancel_task, current_task, explain, submit_task
from hypern.clock import ManualClock

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def held(use: Callable[..., Helped], clock: ManualClock, gate: Gate) -> Helped:
    """An engine with one worker, who is held at the gate."""
    engine = use(clock, task_workers=1)
    submit_task(gate.hold, task_id="holder")
    gate.wait_entered()
    return engine


def work() -> str:
    return "worked"


async def coroutine() -> None: ...


def test_unknown(engine: Helped) -> None:
    """An id that nobody knows, and what is no id at all, is said to be unknown, and why that may be."""
    assert explain("nobody").startswith("No task with the id 'nobody' is known here: it was never submitted")
    assert "No task" in explain(None)  # type: ignore[arg-type]


def test_ended(use: Callable[..., Helped], clock: ManualClock) -> None:
    """Ended tasks say how, when, and why."""
    engine = use(clock)

    def fails() -> None:
        raise ValueError("bad row")

    def gives_up() -> None:
        raise Cancel("nothing to do")

    ids = [submit_task(func) for func in (work, fails, gives_up)]
    engine.done(*ids)
    waiting = submit_task(work, delay_seconds=5)
    cancel_task(waiting)
    words = [explain(task_id).partition(" ")[2] for task_id in (*ids, waiting)]
    assert words == [
        "completed at 2026-05-04 12:00:00 UTC, at attempt 1, which took 0 s.",
        "failed at 2026-05-04 12:00:00 UTC, at attempt 1: ValueError: bad row",
        "was cancelled at 2026-05-04 12:00:00 UTC, at attempt 1: nothing to do.",
        "was cancelled at 2026-05-04 12:00:00 UTC, before it had ever run.",
    ]


def test_running(held: Helped, clock: ManualClock, gate: Gate) -> None:
    """A running task says since when, how far it is, and that it has been asked to stop."""

    def reports() -> None:
        current_task().progress(0.4, "row 4")
        gate.hold()

    clock.advance(600)
    words = explain("holder")
    assert "Gate.hold has been running since 2026-05-04 12:00:00 UTC (10 min), attempt 1." in words
    gate.open()
    held.one("holder")
    again = Gate()
    gate.hold = again.hold  # type: ignore[method-assign]
    task_id = submit_task(reports, timeout=60)
    again.wait_entered()
    cancel_task(task_id)
    assert explain(task_id).partition("attempt 1. ")[2] == (
        "It says that 40% is done (row 4). It may take 60 s. It has been asked to stop."
    )
    again.open()
    held.one(task_id)


def test_delayed(held: Helped) -> None:
    """A delayed task says when it may start, and until when it has to."""
    words = explain(submit_task(work, delay_seconds=5400, expires=60))
    assert "work waits: it was delayed, and may start at 2026-05-04 13:30:00 UTC (in 90 min)." in words
    assert words.endswith("It is cancelled unless it starts before 2026-05-04 13:31:00 UTC.")


def test_delayed_for_longer_than_calendars_go(held: Helped) -> None:
    """A delay beyond the year 9999 is explained like any other."""
    assert "after the year 9999" in explain(submit_task(int, delay_seconds=1e300))


def test_next_attempt(use: Callable[..., Helped], clock: ManualClock) -> None:
    """A task that is to be tried again, or asked for it, says after what and when."""
    engine = use(clock)

    def fails() -> None:
        raise ConnectionError("no answer")

    def asks() -> None:
        raise Snooze(60, "too early")

    def asks_again() -> None:
        raise Retry(60, "not there")

    ids = [submit_task(func, retries=1, backoff=90) for func in (fails, asks, asks_again)]
    assert engine.wait_until(
        lambda: (
            all(engine.now(task_id).attempts or "asks" in explain(task_id) for task_id in ids)
            and engine.idle()
        ),
        WAIT,
    )
    words = [explain(task_id).partition(" waits: ")[2] for task_id in ids]
    assert words == [
        "attempt 1 ended with 'ConnectionError: no answer', and the next one may start at "
        "2026-05-04 12:01:30 UTC (in 90 s).",
        "it asked to be run again (Snooze: too early), which may be at 2026-05-04 12:01:00 UTC (in 60 s).",
        "attempt 1 ended with 'Retry: not there', and the next one may start at "
        "2026-05-04 12:01:00 UTC (in 60 s).",
    ]


def test_rate(use: Callable[..., Helped], clock: ManualClock) -> None:
    """A task whose turn among the starts of its kind is later says when."""
    engine = use(clock, task_workers=1)
    ids = [submit_task(work, rate="1/m") for _ in range(2)]
    engine.done(ids[0], submit_task(work))
    assert "its turn is at 2026-05-04 12:01:00 UTC (in 60 s)" in explain(ids[1])


def test_busy_workers(held: Helped) -> None:
    """A waiting task names what is before it and what keeps the workers busy."""
    first, second = submit_task(work), submit_task(work)
    busy = f"all 1 workers of this process are busy, with {held.now('holder').name} holder."
    assert explain(first).endswith(f"has been waiting for a worker since 2026-05-04 12:00:00 UTC: {busy}")
    assert explain(second).endswith(f": 1 task of its queue is before it; {busy}")


def test_queues(held: Helped) -> None:
    """A paused queue, and one whose limit is reached, is named, with the tasks that reach it."""
    held.store.set_queue("mail", paused=True)
    held.store.set_queue("default", limit=1)
    assert "its queue 'mail' is paused" in explain(submit_task(coroutine, queue="mail"))
    waiting = submit_task(coroutine)
    name = held.now("holder").name
    assert f"its queue 'default' runs no more than 1 task at once, now {name} holder." in explain(waiting)
    held.store.set_queue("default", limit=2)
    held.one(waiting)


def test_engines(use: Callable[..., Helped], clock: ManualClock) -> None:
    """An engine that is paused, or stopped, is the reason; when there is none, it is about to start."""
    engine = use(clock)
    engine.pause()
    task_id = submit_task(work)
    assert "the engine of this process is paused" in explain(task_id)
    engine.discard()
    assert "the engine of this process is not running" in explain(task_id)
    engine.resume()
    assert "the engine of this process is not running" in explain(task_id)


def test_many_are_not_all_named(use: Callable[..., Helped], gate: Gate) -> None:
    """Of many tasks that hold up another one, some are named."""
    use(task_workers=7)
    for _ in range(7):
        submit_task(gate.hold)
    gate.wait_entered(7)
    words = explain(submit_task(work))
    assert words.count("Gate.hold ") == 5
    assert words.endswith(" and 2 more.")


def test_an_app_explains_its_tasks(make_engine: Callable[..., Helped]) -> None:
    """app.explain knows the tasks of the app, and no others."""
    app, other = Hypern(), Hypern()
    app.engine, other.engine = make_engine(), make_engine()
    app.engine.pause()
    task_id = app.submit_task(work, delay_seconds=60)
    assert "was delayed" in app.explain(task_id)
    assert "No task" in other.explain(task_id)
