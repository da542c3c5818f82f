"""What kind of callable a handler, middleware or hook is, found out once, when it is registered."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from hypern.errors import RouteError


def is_async(function: Any) -> bool:
    """Whether calling it gives a coroutine: `async def`, also behind partial, bound or as `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def check_callable(function: Any, parameters: tuple[str, ...], what: str) -> None:
    """RouteError if `function` cannot be called like this. `what` it is, as in "the handler"."""
    shape = f"({', '.join(parameters)})"
    if not callable(function):
        raise RouteError(f"{what} {function!r} is not callable; give a function {shape}.")
    if inspect.isclass(function):
        raise RouteError(f"{what} {name_of(function)} is a class; give an instance that has __call__{shape}.")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some C functions tell nothing about themselves
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        raise RouteError(
            f"{what} {name_of(function)}{signature} has to take {shape}: that is how it will be called."
        ) from None


def name_of(function: Any) -> str:
    """A name to show for any callable."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)
