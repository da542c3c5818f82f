"""A durable store knows functions by name, and finds them again."""

from __future__ import annotations

import functools
import importlib
import math
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.codec import samples

from hypern import background
from hypern.codec.naming import find_function, function_path
from hypern.errors import InvalidTask, TaskError, UnknownTask

HERE = "tests.codec.samples"
NAMED: list[tuple[Any, str]] = [
    (samples.plain, "plain"),
    (samples.coroutine, "coroutine"),
    (samples.decorated, "decorated"),
    (samples.cached, "cached"),
    (samples.task, "task"),
    (samples.async_task, "async_task"),
    (samples.Outer.helper, "Outer.helper"),
    (samples.Outer().helper, "Outer.helper"),
    (samples.Outer.work, "Outer.work"),
    (samples.Outer().work, "Outer.work"),
    (samples.Outer.method, "Outer.method"),
]


@pytest.mark.parametrize(("func", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_function_is_found_again_under_its_name(func: Any, name: str) -> None:
    """The same object, be it a function, a coroutine function, a task or a static method."""
    path = function_path(func)
    assert path == f"{HERE}:{name}"
    assert find_function(path) is func


def test_a_task_in_any_form_has_the_name_of_the_task() -> None:
    """With other options, or as the plain function, it is the task that is found."""
    for form in (samples.task.with_options(delay_seconds=5), samples.task.func):
        assert find_function(function_path(form)) is samples.task


def nested_task() -> Any:
    @background()
    def inner() -> None: ...

    return inner


class Bound:
    @background()
    def work(self) -> None: ...


class Anonymous:
    __wrapped__: Any

    def __call__(self) -> None: ...


def wraps_itself() -> Any:
    made = Anonymous()
    made.__wrapped__ = made
    return made


@pytest.mark.parametrize(
    ("func", "words"),
    [
        (samples.a_lambda, "lambda; write it with def"),
        (lambda: None, "lambda"),
        (samples.nested(), "move it to the top level of a module"),
        (nested_task(), "move it to the top level of a module"),
        (samples.Outer().method, "a method bound to an object; pass a function"),
        (samples.Outer.make, "a method bound to an object"),
        (Bound().work, "a method bound to an object"),
        (samples.a_partial, "functools.partial; pass the function"),
        (functools.partial(samples.task, 1), "functools.partial"),
        (background()(functools.partial(samples.plain, 1)), "functools.partial"),
        (samples.an_object, "not a Python function but of type CalledLikeAFunction"),
        (background()(samples.an_object), "not a Python function"),
        (wraps_itself(), "not a Python function"),
        (samples.Outer, "it is a class"),
        (samples.shadowed, "something else stands under its name"),
        (samples.decorated.__wrapped__, "something else stands under its name"),  # type: ignore[attr-defined]
        (os.system, "put the call into a function of your own"),
        (len, "put the call into a function of your own"),
        (time.sleep, "put the call into a function of your own"),
        (math.sqrt, "put the call into a function of your own"),
        (shutil.rmtree, "Python's own module 'shutil'; put the call"),
        (background()(shutil.rmtree), "Python's own module 'shutil'"),
        (functools.wraps(shutil.rmtree)(lambda: None), "Python's own module 'shutil'"),
        ("tests.codec.samples:plain", "not a Python function but of type str"),
    ],
)
def test_what_other_processes_could_not_find_is_refused(func: Any, words: str) -> None:
    """At once, with the reason and what to do about it."""
    with pytest.raises(InvalidTask, match=re.escape(words)):
        function_path(func)


def test_a_function_that_has_been_deleted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a name, but nothing is there any more."""
    func = samples.coroutine
    monkeypatch.delattr(samples, "coroutine")
    with pytest.raises(InvalidTask, match="there is no 'coroutine' in the module"):
        function_path(func)


def test_a_function_of_a_module_that_is_not_imported_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with code that was run from text."""
    monkeypatch.setattr(samples.plain, "__module__", "made.up")
    with pytest.raises(InvalidTask, match=r"its module 'made\.up' cannot be imported"):
        function_path(samples.plain)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes modules that can be imported, and forgets them afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


STRANGE = """
import os, shutil, threading
from shutil import rmtree, rmtree as bare
from os import system
def f(): ...
f.g = f
class C(threading.Thread):
    run_other = staticmethod(shutil.rmtree)
    @classmethod
    def make(cls): ...
    @property
    def prop(self): ...
f_lambda = lambda: None
an_object = C
number = 1
"""


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no_such_module:f", "there is no module 'no_such_module'"),
        ("strange_a.sub:f", "there is no module 'strange_a.sub'"),
        ("strange_a:no_such", "there is no 'no_such' in the module 'strange_a'"),
        ("strange_a:number", "no function and no task, but of type int"),
        ("strange_a:C", "no function and no task"),
        ("strange_a:C.make", "no function and no task"),
        ("strange_a:C.prop", "no function and no task"),
        ("strange_a:os", "no function and no task"),
        ("strange_a:os.system", "there is no 'os.system'"),
        ("strange_a:system", "no function and no task"),
        ("strange_a:bare", "Python's own modules"),
        ("strange_a:rmtree", "Python's own modules"),
        ("strange_a:C.run", "Python's own modules"),
        ("strange_a:C.run_other", "Python's own modules"),
        ("strange_a:f.g", "there is no 'f.g'"),
        ("strange_a:f.__globals__", "there is no 'f.__globals__'"),
        ("strange_a:f.__class__", "there is no 'f.__class__'"),
        ("os:system", "Python's own modules"),
        ("builtins:eval", "Python's own modules"),
        ("builtins:exec", "Python's own modules"),
        ("subprocess:run", "Python's own modules"),
        ("posix:system", "Python's own modules"),
        ("importlib.util:find_spec", "Python's own modules"),
        ("strange_b:f", "raised ModuleNotFoundError: No module named 'missing_dependency'"),
        ("strange_c:f", "raised RuntimeError: xxx"),
        ("strange_d:f", "raised SystemExit: 3"),
        ("strange_e:f", "raised SyntaxError"),
        ("", "not of the form module:qualname"),
        ("f", "not of the form"),
        (":f", "not of the form"),
        ("strange_a:", "not of the form"),
        ("..strange_a:f", "not of the form"),
        ("strange_a:f()", "not of the form"),
        ("strange_a:f:g", "not of the form"),
        ("/etc/passwd:f", "not of the form"),
        ("x" * 100_000, "not of the form"),
    ],
)
def test_a_name_that_leads_to_no_function_is_unknown(
    path: str, words: str, modules: Callable[[str, str], None]
) -> None:
    """Whatever is wrong with it, it is an UnknownTask with a short reason, and nothing is called."""
    modules("strange_a", STRANGE)
    modules("strange_b", "import missing_dependency")
    modules("strange_c", "raise RuntimeError('x' * 100_000)")
    modules("strange_d", "import sys; sys.exit(3)")
    modules("strange_e", "def f(:")
    with pytest.raises(UnknownTask, match=re.escape(words)) as caught:
        find_function(path)
    assert caught.value.name == path[:200]
    assert len(str(caught.value)) < 1000
    assert isinstance(caught.value, TaskError)
    assert isinstance(caught.value, LookupError)
    if "raised" in words:
        assert caught.value.__cause__ is not None


def test_an_old_name_that_leads_to_a_moved_function_is_good(modules: Callable[[str, str], None]) -> None:
    """So tasks that are waiting survive it when a function moves, if its old module imports it."""
    modules("moved_new", "def f(): return 'moved'")
    modules("moved_old", "from moved_new import f")
    assert find_function("moved_old:f")() == "moved"


def test_a_function_that_was_missing_is_found_once_it_is_there(modules: Callable[[str, str], None]) -> None:
    """Only what was found is remembered, and for good."""
    with pytest.raises(UnknownTask):
        find_function("late_module:f")
    modules("late_module", "def f(): return 1")
    found = find_function("late_module:f")
    assert found() == 1
    del sys.modules["late_module"]
    assert find_function("late_module:f") is found


def test_many_threads_may_look_for_the_same_function(modules: Callable[[str, str], None]) -> None:
    """The module is imported once, and nobody sees it half imported."""
    modules("slow_module", "import threading\nfor n in range(300_000): pass\ndef f(): ...\nimported = [1]")
    start = threading.Barrier(8)
    found: list[Any] = []

    def look() -> None:
        start.wait()
        found.append(find_function("slow_module:f"))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [sys.modules["slow_module"].f] * 8
