"""What a callable is underneath: its function, its name, whether calling it gives a coroutine."""

from __future__ import annotations

import functools
import inspect
from typing import Any


def bare(function: Any) -> Any:
    """The callable inside of any number of `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def qualname(function: Any) -> str:
    """Its qualified name; of an object that can be called, that of its class."""
    function = bare(function)
    return str(getattr(function, "__qualname__", None) or type(function).__qualname__)


def is_async(function: Any) -> bool:
    """Whether calling it gives a coroutine: `async def`, also behind partial, bound or as `__call__`."""
    function = bare(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )
