"""Many calls at once: all of them are submitted, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import Gate, Heard, Helped

from hypern import InvalidTask, QueueFull, TaskStatus, background, submit_many, submit_task


@background
def add(a: int, b: int = 0) -> int:
    return a + b


@background
async def add_too(a: int, b: int = 0) -> int:
    return a + b


def fails() -> None:
    raise ValueError


def number_of(engine: Helped) -> int:
    return sum(engine.store.count().values())


@pytest.mark.parametrize("task", [add, add_too])
def test_calls_of_one_task(engine: Helped, task: Any) -> None:
    """A tuple is positional arguments, a dict is keyword arguments; the ids come in the same order."""
    ids = task.submit_many([(1,), (1, 2), {"a": 5}, {"a": 5, "b": 6}])
    assert len(set(ids)) == 4
    assert [result.result for result in engine.done(*ids)] == [1, 3, 5, 11]


def test_calls_of_any_functions(engine: Helped) -> None:
    """submit_many takes functions and tasks, with and without keyword arguments."""
    ids = submit_many([(add, (1,)), (abs, (-2,)), (add_too, (3,), {"b": 4}), (max, (5, 6), {})])
    assert [result.result for result in engine.done(*ids)] == [1, 2, 7, 6]


def test_no_calls(engine: Helped) -> None:
    """Nothing to submit is no error and no task."""
    assert add.submit_many([]) == submit_many([]) == []
    assert number_of(engine) == 0


def test_any_iterable(engine: Helped) -> None:
    """The calls may come from a generator; what it raises leaves nothing queued."""
    assert len(engine.done(*add.submit_many((number,) for number in range(3)))) == 3

    def broken() -> Any:
        yield (1,)
        raise KeyError("no more")

    with pytest.raises(KeyError):
        add.submit_many(broken())
    assert number_of(engine) == 3


def test_each_has_the_options_of_its_task(engine: Helped) -> None:
    """Options go with every call."""
    engine.pause()
    for task_id in add.with_options(priority="high", queue="mail", delay_seconds=60).submit_many(
        [(1,), (2,)]
    ):
        record = engine.store.get(task_id)
        assert record is not None
        assert (record.rules.priority, record.rules.queue) == (10, "mail")
        assert record.due is not None


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: add.submit_many([(1,), ()]), "missing a required argument"),
    (lambda: add.submit_many([(1,), {"a": 1, "c": 2}]), "unexpected keyword"),
    (lambda: add.submit_many([(1,), [2]]), r"not list; write \(value,\)"),  # type: ignore[list-item]
    (lambda: add.submit_many([(1,), 5]), "not int"),  # type: ignore[list-item]
    (lambda: add.submit_many(["ab"]), "not str"),  # type: ignore[list-item]
    (lambda: submit_many([(add, (1,)), (add, ())]), "missing a required argument"),
    (lambda: submit_many([(add, (1,)), (add, 5)]), "args as a tuple"),  # type: ignore[list-item]
    (lambda: submit_many([(add, (1,)), (add, (1,), 5)]), "kwargs as a dict"),  # type: ignore[list-item]
    (lambda: submit_many([(add, (1,)), (add,)]), r"\(func, args\)"),  # type: ignore[list-item]
    (lambda: submit_many([(add, (1,)), add]), r"\(func, args\)"),  # type: ignore[list-item]
    (lambda: submit_many([(add, (1,)), (7, ())]), "must be a function"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("write", "hint"), WRONG)
def test_one_wrong_call(engine: Helped, write: Callable[[], object], hint: str) -> None:
    """If one call is wrong none is submitted, and the error says what is wrong with it."""
    with pytest.raises(InvalidTask, match=hint):
        write()
    assert number_of(engine) == 0


def test_no_room_for_all(use: Callable[..., Helped], gate: Gate) -> None:
    """If not all fit, none is submitted, nobody hears of one, and no result of before is lost for it."""
    engine = use(task_workers=1, task_queue_size=3, task_result_limit=1)
    before = engine.one(add(1))
    submit_task(gate.hold)
    gate.wait_entered()
    heard = Heard()
    engine.events.listen(heard)
    with pytest.raises(QueueFull):
        add.with_options(unique=True, unique_for=3600).submit_many([(number,) for number in range(4)])
    assert engine.store.count()[TaskStatus.PENDING] == 0
    assert heard.events == []
    assert engine.now(before.task_id) == before
    ids = add.with_options(unique=True, unique_for=3600).submit_many([(number,) for number in range(3)])
    assert engine.store.count()[TaskStatus.PENDING] == 3
    assert [engine.now(task_id).args for task_id in ids] == [(0,), (1,), (2,)]


def test_one_that_fails_harms_no_other(engine: Helped) -> None:
    """What is submitted together does not stick together."""
    ids = submit_many([(add, (1,)), (fails, ()), (add, (2,))])
    states = [result.status for result in engine.done(*ids)]
    assert states == [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.COMPLETED]


def test_all_workers_are_woken(use: Callable[..., Helped], gate: Gate) -> None:
    """Tasks that were submitted together run together, as far as there are workers."""
    engine = use(task_workers=3)
    ids = background(gate.hold).submit_many([() for _ in range(6)])
    gate.wait_entered(3)
    gate.open()
    engine.done(*ids)


def test_thousands(use: Callable[..., Helped]) -> None:
    """All of thousands are done, each once, and each has an id of its own."""
    engine = use(task_queue_size=5000)
    seen: list[int] = []
    ids = background(seen.append).submit_many([(number,) for number in range(5000)])
    assert len(set(ids)) == 5000
    engine.done(*ids)
    assert sorted(seen) == list(range(5000))
