"""What can be a task: every kind of callable, decorated or handed over, and what cannot."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import Helped

from hypern import InvalidTask, Task, background, submit_task
from hypern.records import Lane


@background
def bare(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


@background()
def with_parentheses(a: int) -> int:
    return a


@background
async def coroutine(a: int) -> int:
    return a


class Shelf:
    def __init__(self, label: str) -> None:
        self.label = label

    @background
    def method(self, a: int) -> str:
        return f"{self.label}{a}"

    @background
    async def async_method(self, a: int) -> str:
        return f"{self.label}{a}"

    @background()
    @staticmethod
    def static_inside(a: int) -> int:
        return a

    @staticmethod
    @background()
    def static_outside(a: int) -> int:
        return a

    @classmethod
    @background()
    def of_class(cls, a: int) -> str:
        return f"{cls.__name__}{a}"


class Callback:
    def __call__(self, a: int) -> str:
        return f"called {a}"


class AsyncCallback:
    async def __call__(self, a: int) -> str:
        return f"awaited {a}"


def plain(a: int, b: int = 0) -> int:
    return a + b


async def plain_coroutine(a: int) -> int:
    return a


CALLS: dict[str, tuple[Callable[..., Any], Any]] = {
    "without parentheses": (bare, 3),
    "with parentheses": (with_parentheses, 1),
    "coroutine function": (coroutine, 1),
    "method": (Shelf("top").method, "top1"),
    "coroutine method": (Shelf("top").async_method, "top1"),
    "static method, decorated outside, of the class": (Shelf.static_inside, 1),
    "static method, decorated outside, of an instance": (Shelf("").static_inside, 1),
    "static method, decorated inside, of the class": (Shelf.static_outside, 1),
    "static method, decorated inside, of an instance": (Shelf("").static_outside, 1),
    "class method, of the class": (Shelf.of_class, "Shelf1"),
    "class method, of an instance": (Shelf("").of_class, "Shelf1"),
}
PLAIN: dict[str, tuple[Callable[..., Any], Any]] = {
    "function": (plain, 1),
    "coroutine function": (plain_coroutine, 1),
    "lambda": (lambda a: a, 1),
    "partial": (functools.partial(plain, b=5), 6),
    "partial of a partial": (functools.partial(functools.partial(plain), b=5), 6),
    "partial of a coroutine function": (functools.partial(plain_coroutine), 1),
    "callable object": (Callback(), "called 1"),
    "callable object with a coroutine": (AsyncCallback(), "awaited 1"),
    "partial of a callable object with a coroutine": (functools.partial(AsyncCallback()), "awaited 1"),
    "bound method": ([1, 2].count, 1),
    "built-in function": (abs, 1),
    "class": (str, "1"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_calling_submits(engine: Helped, kind: str) -> None:
    """Calling a decorated function, however it is declared, submits one task with its result."""
    task, expected = CALLS[kind]
    assert engine.one(task(1)).result == expected
    assert sum(engine.store.count().values()) == 1


@pytest.mark.parametrize("kind", CALLS)
def test_handing_over_a_task_submits_it_once(engine: Helped, kind: str) -> None:
    """submit_task of a decorated function, also of one bound to an instance or class, is one task."""
    task, expected = CALLS[kind]
    assert engine.one(submit_task(task, args=(1,))).result == expected
    engine.settle()
    assert sum(engine.store.count().values()) == 1


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_callables_can_be_handed_over(engine: Helped, kind: str) -> None:
    """submit_task takes whatever can be called, and awaits what must be awaited."""
    func, expected = PLAIN[kind]
    result = engine.one(submit_task(func, args=(1,)))
    assert (result.result, result.error) == (expected, None)
    assert result.func is func


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_callables_can_be_decorated(engine: Helped, kind: str) -> None:
    """background(...) takes whatever can be called."""
    func, expected = PLAIN[kind]
    assert engine.one(background(func)(1)).result == expected


def test_a_partial_of_a_task_is_one_task(engine: Helped) -> None:
    """submit_task(partial(task, …)) submits that task once, with the arguments of both."""
    result = engine.one(submit_task(functools.partial(bare, 1), kwargs={"b": 7}))
    assert result.result == 8
    engine.settle()
    assert sum(engine.store.count().values()) == 1


def test_the_function_stays_within_reach() -> None:
    """`.func` and `__wrapped__` are the function itself; name, docstring and signature stay."""
    assert isinstance(bare, Task)
    assert bare.func(1, 2) == 3
    assert bare.__wrapped__ is bare.func
    assert (bare.__name__, bare.__doc__, bare.__module__) == ("bare", "Adds.", __name__)
    assert str(inspect.signature(bare)) == "(a: 'int', b: 'int' = 2) -> 'int'"


def test_names(engine: Helped) -> None:
    """A task is named module:function unless it is given a name."""
    assert engine.one(bare(1)).name == f"{__name__}:bare"
    assert engine.one(Shelf("").method(1)).name == f"{__name__}:Shelf.method"
    assert engine.one(background(name="mail")(plain)(1)).name == "mail"
    assert engine.one(submit_task(functools.partial(plain), args=(1,))).name == f"{__name__}:plain"


def test_lanes() -> None:
    """Coroutine functions go to the loop, all others to threads."""
    assert coroutine.lane is Lane.LOOP
    assert Shelf("").async_method.lane is Lane.LOOP
    assert bare.lane is Lane.THREAD


async def _asyncgen() -> Any:
    yield 1


def _generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (None, "NoneType"),
        (42, "must be a function, not int"),
        ("an id", "hand it over uncalled"),
        (_asyncgen, "cannot yield"),
        (_generator, "cannot yield"),
        (classmethod(plain), "@classmethod above"),
        (bare, "a task already"),
    ],
)
def test_what_cannot_be_a_task(engine: Helped, wrong: Any, hint: str) -> None:
    """Whatever cannot be a task is refused where it is declared, with advice."""
    with pytest.raises(InvalidTask, match=hint):
        background()(wrong)
    if wrong is not bare:
        with pytest.raises(InvalidTask, match=hint):
            submit_task(wrong)
    assert sum(engine.store.count().values()) == 0


def test_a_called_coroutine_function(engine: Helped) -> None:
    """submit_task(f()) says to leave out the call, and does not warn of a coroutine never awaited."""
    with pytest.raises(InvalidTask, match="without calling"):
        submit_task(plain_coroutine(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "  ", 7, "half \ud800", "nul \0", "long" * 1000])
def test_a_name_must_be_words(name: Any) -> None:
    """An empty name, one that is no str, or that a store could not keep, is refused at the decorator."""
    with pytest.raises(InvalidTask, match="name of a task"):
        background(name=name)(plain)


def test_functions_are_let_go(engine: Helped) -> None:
    """Handing over a function does not keep it alive once its task is forgotten."""
    gone = threading.Event()

    class Big:
        def __del__(self) -> None:
            gone.set()

    engine.one(submit_task(Big().__eq__, args=(1,)))
    engine.store.prune(engine.clock.wall() + engine.settings.task_result_ttl + 1)
    assert gone.wait(20)


def test_a_wrapper_around_a_task() -> None:
    """Calling it submits the task; as a task of its own it is refused, with what to do."""

    @functools.wraps(submits)
    def wrapper() -> str:
        return submits()

    with pytest.raises(InvalidTask, match="above the decorator"):
        submit_task(wrapper)
    with pytest.raises(InvalidTask, match="above the decorator"):
        background()(wrapper)


@background()
def submits() -> None: ...
