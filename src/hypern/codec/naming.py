"""Functions by name: what a durable store keeps of a function, and how it is found again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

from hypern.codec.modules import Unreachable, home, in_standard_library, load, own_module, parse, walk
from hypern.errors import InvalidTask, UnknownTask

_WRAP = "put the call into a function of your own, at the top level of a module"
_found: dict[str, Callable[..., Any]] = {}


def function_path(func: Callable[..., Any]) -> str:
    """`module:qualname` of a function or decorated task, for `find_function` in any process.

    A task with other options has the name of the task, and so has the plain function of a task.
    Raises InvalidTask, saying what to do, for what other processes could not find by importing.
    """
    origin: Any = getattr(func, "origin", func) if _is_task(func) else func
    try:
        _refuse_other_kinds(func)
        module, qualname = home(origin)
        if in_standard_library(module):
            raise Unreachable(f"it belongs to Python's own module {module!r}; {_WRAP}")
        found = walk(own_module(origin), qualname)
        # A task can be made of a function without taking its place: `later = background(send_mail)`.
        plain = origin.func if _is_task(origin) else origin
        if found is not origin and found is not plain and not (_is_task(found) and found.func is plain):
            raise Unreachable(f"something else stands under its name {module}:{qualname}; rename one of them")
    except Unreachable as error:
        raise InvalidTask(f"{_called(func)} cannot be stored as a task: {error}.") from None
    return f"{module}:{qualname}"


def find_function(path: str) -> Callable[..., Any]:
    """The function or decorated task that `function_path` named; of a task `.func` is the function.

    Imports its module if need be. Raises UnknownTask if there is no such function, if importing
    fails, and for functions of the standard library.
    """
    try:
        return _found[path]
    except KeyError:
        pass
    try:
        found = _find(path)
    except Unreachable as error:
        raise UnknownTask(path[:200], str(error)) from error.__cause__
    _found[path] = found
    return found


def _find(path: str) -> Callable[..., Any]:
    module, qualname = parse(path)
    if in_standard_library(module):
        raise Unreachable("functions of Python's own modules are not run by name")
    found: Callable[..., Any] = walk(load(module), qualname)
    if not (_is_task(found) or _is_function(found)):
        raise Unreachable(f"it is no function and no task, but of type {type(found).__qualname__}")
    # The name may lead to what its module has imported: `from shutil import rmtree`.
    if in_standard_library(getattr(found, "__module__", None) or "builtins"):
        raise Unreachable("it leads to a function of Python's own modules, and these are not run by name")
    return found


def _refuse_other_kinds(func: Any) -> None:
    plain = func.func if _is_task(func) else func
    if isinstance(func, functools.partial) or isinstance(plain, functools.partial):
        raise Unreachable("it is a functools.partial; pass the function, and args and kwargs")
    if isinstance(plain, MethodType):
        raise Unreachable("it is a method bound to an object; pass a function, and the object's id to it")
    if isinstance(func, type):
        raise Unreachable(f"it is a class; {_WRAP}")
    if not _is_function(plain):
        raise Unreachable(f"it is not a Python function but of type {type(plain).__qualname__}; {_WRAP}")


def _is_task(obj: Any) -> bool:
    """Whether it is what `@background()` makes, which is in a higher layer."""
    return (
        not isinstance(obj, type | functools.partial)
        and hasattr(obj, "origin")
        and hasattr(obj, "__wrapped__")
        and callable(getattr(obj, "func", None))
    )


def _is_function(obj: Any) -> bool:
    """Whether it is a function that was written with def, whatever decorators made of it."""
    if not callable(obj) or isinstance(obj, type | functools.partial | MethodType):
        return False
    try:
        return inspect.isfunction(inspect.unwrap(obj))
    except ValueError:  # it wraps itself
        return False


def _called(func: Any) -> str:
    name = getattr(func, "__qualname__", None) or f"an object of type {type(func).__qualname__}"
    return str(name)[:200]
