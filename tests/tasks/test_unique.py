"""Tasks that are the only ones of their kind: by arguments, key or function; while they run, and longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import Gate, Heard, Helped

from hypern import InvalidOption, TaskStatus, background, cancel_task, submit_many, submit_task
from hypern.clock import ManualClock
from hypern.errors import NotSerializable


@background(unique=True)
def report(day: str, size: int = 10, *, draft: bool = False, **more: object) -> str:
    return day


def held(engine: Helped) -> Helped:
    """Submitted tasks stay PENDING."""
    engine.pause()
    return engine


def number_of(engine: Helped) -> int:
    return sum(engine.store.count().values())


def test_one_that_waits(engine: Helped) -> None:
    """While one waits, a call with the same arguments answers with its id, and is no task of its own."""
    held(engine)
    first = report("tuesday")
    before = number_of(engine)
    assert report("tuesday") == first
    assert number_of(engine) == before
    assert report("wednesday") != first


def test_one_that_runs(engine: Helped, gate: Gate) -> None:
    """While one runs it stands for others as well; when it has ended, a new one is submitted."""
    hold = background(unique=True)(gate.hold)
    first = hold()
    gate.wait_entered()
    assert hold() == first
    gate.open()
    engine.one(first)
    second = hold()
    assert second != first
    assert engine.one(second).result == "held"


def test_every_way_to_submit(engine: Helped) -> None:
    """However a duplicate is submitted, the answer is the first one's id."""
    held(engine)
    first = report("monday")
    assert report.with_options(priority="high")("monday") == first
    assert submit_task(report, ("monday",)) == first
    assert submit_task(report, kwargs={"day": "monday"}, queue="other") == first
    assert report.submit_many([("monday",), {"day": "monday"}]) == [first, first]
    assert submit_many([(report, ("monday",)), (report, (), {"day": "monday"})]) == [first, first]
    assert report.with_options(task_id="mine")("monday") == first
    assert engine.look("mine") is None
    assert number_of(engine) == 1


def test_from_a_coroutine(engine: Helped) -> None:
    """So is the answer of submit_async."""
    held(engine)
    first = report("monday")
    assert asyncio.run(report.submit_async("monday")) == first


SAME: list[tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}, (), {"day": "a"}),
    (("a",), {}, ("a", 10), {}),
    (("a",), {"draft": False}, ("a",), {}),
    (("a", 5), {"x": 1, "y": 2}, (), {"y": 2, "size": 5, "x": 1, "day": "a"}),
    (("a",), {"x": {"p": 1, "q": 2}}, ("a",), {"x": {"q": 2, "p": 1}}),
    (("a",), {"x": {"one", "two", "three"}}, ("a",), {"x": {"three", "two", "one"}}),
    (("a",), {"x": {1: "p", 2: "q"}}, ("a",), {"x": {2: "q", 1: "p"}}),
]
DIFFERENT: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("b",), {}),
    (("a", 11), {}),
    (("a", True), {}),
    (("a", 10.0), {}),
    (("a", "10"), {}),
    (("a",), {"draft": True}),
    (("a",), {"x": None}),
    (("a",), {"x": [1, 2]}),
    (("a",), {"x": [2, 1]}),
    (("a",), {"x": (1, 2)}),
    (("a",), {"x": {1, 2}}),
    (("a",), {"y": [1, 2]}),
]


@pytest.mark.parametrize(("args", "kwargs", "other_args", "other_kwargs"), SAME)
def test_the_same_arguments(
    engine: Helped,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    other_args: tuple[Any, ...],
    other_kwargs: dict[str, Any],
) -> None:
    """By name or by position, with a default or without it, in whatever order: the same call."""
    held(engine)
    assert report(*args, **kwargs) == report(*other_args, **other_kwargs)


def test_different_arguments(engine: Helped) -> None:
    """Calls that differ in a value or its type are different tasks."""
    held(engine)
    ids = [report(*args, **kwargs) for args, kwargs in DIFFERENT]
    assert len(set(ids)) == len(DIFFERENT)


def test_tasks_are_apart(engine: Helped) -> None:
    """The same key or the same arguments at different tasks have nothing to do with each other."""
    held(engine)
    other = background(unique=True, name="other report")(report.func)
    assert report("monday") != other("monday")
    assert report.with_options(unique="k")("a") != other.with_options(unique="k")("a")


def test_a_key(engine: Helped) -> None:
    """With a key the arguments do not matter."""
    held(engine)
    nightly = background(unique="nightly")(report.func)
    assert nightly("monday") == nightly("tuesday")
    assert submit_task(report.func, ("a",), unique="x") == submit_task(report.func, ("b",), unique="x")
    assert submit_task(report.func, ("a",), unique="y") != submit_task(report.func, ("a",), unique="x")


def test_a_function(engine: Helped) -> None:
    """A function of the arguments says what makes them the same."""
    held(engine)
    by_day = background(unique=lambda day, **_: day.lower())(report.func)
    assert by_day("Monday", draft=True) == by_day("MONDAY")
    assert by_day("Monday") != by_day("Tuesday")


@pytest.mark.parametrize("key", [None, 5, "", "k" * 257])
def test_a_function_that_gives_no_key(engine: Helped, key: Any) -> None:
    """A function that does not give a str is told so at the call; nothing is queued."""
    wrong = background(unique=lambda day: key)(report.func)
    with pytest.raises(InvalidOption, match="must return a str"):
        wrong("monday")
    assert number_of(engine) == 0


def test_arguments_without_a_stored_form(engine: Helped) -> None:
    """unique=True with an argument that cannot be compared is refused; nothing is queued."""
    with pytest.raises(NotSerializable, match=r"args\[0\]"):
        report(object())  # type: ignore[arg-type]
    assert number_of(engine) == 0


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    @background(unique=lambda self, day: f"{self.name} {day}")
    def close(self, day: str) -> str:
        return self.name

    @background(unique=True)
    def count(self) -> str:
        return self.name

    @classmethod
    @background(unique=True)
    def audit(cls, day: str) -> str:
        return cls.__name__


class OtherShop(Shop):
    pass


def test_methods(engine: Helped) -> None:
    """The object that a method belongs to is one of its arguments: two shops are not one."""
    held(engine)
    assert Shop("a").close("monday") == Shop("a").close("monday")
    assert Shop("a").close("monday") != Shop("b").close("monday")
    assert Shop.audit("monday") == Shop.audit("monday")
    assert Shop.audit("monday") != OtherShop.audit("monday")


def test_methods_of_objects_that_cannot_be_compared(engine: Helped) -> None:
    """unique=True refuses a method of an object without a stored form, rather than mistake it for another."""
    with pytest.raises(NotSerializable):
        Shop("a").count()
    assert number_of(engine) == 0


def test_for_a_time(use: Callable[..., Helped]) -> None:
    """unique_for: a task stands for others so long after it was submitted, though it has ended."""
    clock = ManualClock()
    engine = use(clock)
    task = report.with_options(unique_for=60)
    first = task("monday")
    engine.one(first)
    clock.advance(59)
    assert task("monday") == first
    assert task("tuesday") != first
    clock.advance(1)
    assert task("monday") != first


def test_a_failed_one_may_be_tried_again(engine: Helped) -> None:
    """Without unique_for a task that FAILED or was CANCELLED stands for nobody."""

    @background(unique="k")
    def fails() -> None:
        raise ValueError

    first = fails()
    assert engine.one(first).status is TaskStatus.FAILED
    held(engine)
    second = fails()
    assert second != first
    assert cancel_task(second)
    assert fails() not in (first, second)


def test_between_attempts(use: Callable[..., Helped]) -> None:
    """A task that waits for its next attempt still stands for others."""
    engine = use(ManualClock())

    @background(unique="k", retries=1, backoff=60)
    def fails() -> None:
        raise ValueError

    first = fails()
    engine.settle()
    assert engine.now(first).status is TaskStatus.PENDING
    assert fails() == first


def test_unique_no_more(engine: Helped) -> None:
    """unique=False for one call: it is a task of its own, and stands for nobody."""
    held(engine)
    first = report("monday")
    second = report.with_options(unique=False)("monday")
    assert second != first
    assert report("monday") == first


def test_a_duplicate_is_not_told_as_submitted(engine: Helped) -> None:
    """Whoever listens hears of one task, submitted once."""
    heard = Heard()
    engine.events.listen(heard)
    held(engine)
    first = report("monday")
    report("monday")
    report.submit_many([("monday",), ("tuesday",)])
    submitted = [event.task_id for event in heard.events if event.name == "submitted"]
    assert len(submitted) == 2
    assert submitted[0] == first


def test_duplicates_in_a_full_queue(use: Callable[..., Helped]) -> None:
    """A duplicate needs no room."""
    held(use(task_queue_size=1))
    first = report("monday")
    assert report("monday") == first
    assert report.submit_many([("monday",)] * 5) == [first] * 5
