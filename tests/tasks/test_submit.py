"""Submitting: options, arguments, ids, refusals; and that nothing is queued where something is refused."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest
from tests.tasks.conftest import Gate, Helped

from hypern import InvalidOption, InvalidTask, QueueFull, background, get_task, submit_task
from hypern.clock import ManualClock


@background(delay_seconds=50, priority="high", retries=3)
def optioned(value: Any = None) -> Any:
    return value


@background
def echo(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def two(a: int, b: int, *, c: int = 0) -> int:
    return a + b + c


def keyword_only(*, c: int) -> int:
    return c


def queued(engine: Helped) -> int:
    return sum(engine.store.count().values())


def test_the_decorators_options_are_defaults(engine: Helped) -> None:
    """submit_task of a decorated function keeps the options that it does not change."""
    record = engine.store.get(submit_task(optioned))
    changed = engine.store.get(submit_task(optioned, delay_seconds=0, priority="low"))
    assert record is not None
    assert changed is not None
    assert (record.rules.priority, record.rules.retries, record.due is None) == (10, 3, False)
    assert (changed.rules.priority, changed.rules.retries, changed.due is None) == (-10, 3, True)


def test_with_options_changes_one_call_only(engine: Helped) -> None:
    """`with_options` gives a task with other options and leaves the first one as it was."""
    other = optioned.with_options(delay_seconds=0, priority=7)
    assert engine.one(other("now")).result == "now"
    assert (other.options.rules.priority, other.options.rules.retries) == (7, 3)
    assert (optioned.options.delay_seconds, optioned.options.rules.priority) == (50.0, 10)


def test_a_result_runs_again_without_its_options(engine: Helped) -> None:
    """`result.func` of a task with options of its own is the decorated function itself."""
    first = engine.one(optioned.with_options(delay_seconds=0, task_id="mine")("again"))
    assert first.func is optioned
    again = submit_task(first.func, args=first.args, kwargs=first.kwargs, delay_seconds=0)
    assert again != "mine"
    assert engine.one(again).result == "again"


@pytest.mark.parametrize("name", ["low", "normal", "high", "critical", -5, 0, 2**31 - 1])
def test_priorities(engine: Helped, name: Any) -> None:
    """The four words and whole numbers are priorities, at the decorator, with_options and submit_task."""
    background(priority=name)(two)
    echo.with_options(priority=name)()
    engine.done(submit_task(echo, priority=name))


@pytest.mark.parametrize(
    "option",
    [
        {"delay_seconds": -1},
        {"delay_seconds": math.nan},
        {"delay_seconds": math.inf},
        {"delay_seconds": 10**400},
        {"delay_seconds": "5"},
        {"delay_seconds": True},
        {"priority": "urgent"},
        {"priority": 1.5},
        {"priority": True},
        {"priority": 2**31},
        {"retries": -1},
        {"retries": 1.0},
        {"retries": True},
    ],
    ids=str,
)
def test_impossible_options(engine: Helped, option: dict[str, Any]) -> None:
    """An impossible value is a ValueError at the decorator, at with_options and at submit_task."""
    with pytest.raises(InvalidOption):
        background(**option)
    with pytest.raises(ValueError, match=next(iter(option))):
        echo.with_options(**option)
    with pytest.raises(InvalidOption):
        submit_task(echo, **option)
    assert queued(engine) == 0


@pytest.mark.parametrize("task_id", ["", "a b", "x" * 129, "ä", "a\n", "a/b", 7, b"a"])
def test_impossible_ids(engine: Helped, task_id: Any) -> None:
    """An id is 1 to 128 letters, digits or `_ . : -`; anything else is refused."""
    with pytest.raises(InvalidOption, match="task_id"):
        submit_task(echo, task_id=task_id)
    assert queued(engine) == 0


def test_an_id_of_ones_own(engine: Helped) -> None:
    """`task_id=` is the id that comes back; submitting it again, whatever became of it, adds nothing."""
    assert echo.with_options(task_id="order:7")(1) == "order:7"
    assert engine.one("order:7").args == (1,)
    assert submit_task(echo, (2,), task_id="order:7") == "order:7"
    engine.settle()
    assert engine.now("order:7").args == (1,)
    assert queued(engine) == 1


@pytest.mark.parametrize(
    ("func", "args", "kwargs"),
    [
        (two, (), {}),
        (two, (1,), {}),
        (two, (1, 2, 3), {}),
        (two, (1, 2), {"d": 4}),
        (two, (1, 2), {"a": 4}),
        (keyword_only, (), {}),
        (keyword_only, (1,), {}),
        (len, (), {"nonsense": 1}),
    ],
)
def test_arguments_that_do_not_fit(engine: Helped, func: Any, args: Any, kwargs: Any) -> None:
    """A call that the signature refuses is a TypeError, by every way of submitting; nothing is queued."""
    task = background(func)
    with pytest.raises(InvalidTask, match="cannot be submitted"):
        task(*args, **kwargs)
    with pytest.raises(TypeError):
        submit_task(func, args, kwargs)
    with pytest.raises(TypeError):
        asyncio.run(task.submit_async(*args, **kwargs))
    assert queued(engine) == 0


def test_arguments_that_fit(engine: Helped) -> None:
    """Positional, keyword and starred arguments arrive as they were given."""
    assert engine.one(submit_task(two, (1,), {"b": 2, "c": 3})).result == 6
    assert engine.one(submit_task(keyword_only, kwargs={"c": 3})).result == 3
    assert engine.one(submit_task(two, [1, 2])).result == 3
    assert engine.one(echo(1, *"ab", x=None)).result == ((1, "a", "b"), {"x": None})


@pytest.mark.parametrize(
    ("args", "kwargs"), [("ab", None), (7, None), (None, None), ((), [("a", 1)]), ((), 7)]
)
def test_args_and_kwargs_are_a_tuple_and_a_dict(engine: Helped, args: Any, kwargs: Any) -> None:
    """args="ab" or kwargs=7 is refused with advice instead of being taken apart."""
    with pytest.raises(InvalidTask, match="submit_task\\(\\) takes"):
        submit_task(echo, args, kwargs)
    assert queued(engine) == 0


def test_the_submitters_dict_may_change(engine: Helped, gate: Gate) -> None:
    """Keyword arguments are those at the time of the call, also when the dict is changed later."""
    given = {"x": 1}
    task_id = submit_task(echo, kwargs=given, delay_seconds=0.05)
    given["x"] = 2
    assert engine.one(task_id).result == ((), {"x": 1})


def test_submit_async(engine: Helped) -> None:
    """`await f.submit_async(…)` submits like a call."""
    task_id = asyncio.run(optioned.with_options(delay_seconds=0).submit_async("async"))
    assert engine.one(task_id).result == "async"


def test_queue_full_is_quick_and_tells_the_limit(use: Any, gate: Gate) -> None:
    """At the limit, delayed tasks included, QueueFull comes within a millisecond and nothing is queued."""
    engine = use(task_workers=1, task_queue_size=10)
    submit_task(gate.hold)
    gate.wait_entered()
    for number in range(10):
        submit_task(echo, delay_seconds=3600 if number % 2 else 0)
    took = []
    for _ in range(50):
        started = time.perf_counter()
        with pytest.raises(QueueFull) as refused:
            echo()
        took.append(time.perf_counter() - started)
    assert refused.value.limit == 10
    assert refused.value.retry_after >= 1
    assert min(took) < 0.001
    assert queued(engine) == 11


def test_a_task_may_meet_a_full_queue(use: Any) -> None:
    """Inside a task QueueFull is an exception like any other; the worker does not wait for itself."""
    engine = use(task_workers=1, task_queue_size=1)

    def submits_two() -> str:
        echo()
        try:
            echo()
        except QueueFull:
            return "full"
        return "room"

    assert engine.one(submit_task(submits_two)).result == "full"


def test_days_ahead(use: Any) -> None:
    """A delay of years is kept, holds nothing up and comes when its time has come."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    year = 365 * 86400.0
    later = submit_task(echo, delay_seconds=5 * year)
    assert engine.one(echo()).is_success()
    clock.advance(5 * year - 1)
    assert engine.one(echo()).is_success()
    assert engine.now(later).is_pending()
    clock.advance(1)
    assert engine.one(later).is_success()


def test_delays_order_the_tasks(use: Any) -> None:
    """Delayed tasks run in the order of their times, not of their submission."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    ran: list[int] = []
    ids = [submit_task(ran.append, (seconds,), delay_seconds=seconds) for seconds in (30, 10, 20)]
    clock.advance(60)
    engine.done(*ids)
    assert ran == [10, 20, 30]


def test_unknown_ids(engine: Helped) -> None:
    """get_task is None for ids that nobody was given and for what is no id at all."""
    for unknown in ("nobody", "", "x" * 10_000, "half \ud800", "nul \0", None, 7, b"x", ["x"]):
        assert get_task(unknown) is None  # type: ignore[arg-type]
