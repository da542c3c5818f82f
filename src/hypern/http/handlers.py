"""Whether a handler, middleware or hook can be called as it will be, found out when it is registered."""

from __future__ import annotations

import inspect
from typing import Any

from hypern.callables import qualname
from hypern.errors import RouteError


def check_callable(function: Any, parameters: tuple[str, ...], what: str) -> None:
    """RouteError if `function` cannot be called like this. `what` it is, as in "the handler"."""
    shape = f"({', '.join(parameters)})"
    if not callable(function):
        raise RouteError(f"{what} {function!r} is not callable; give a function {shape}.")
    if inspect.isclass(function):
        raise RouteError(
            f"{what} {qualname(function)} is a class; give an instance that has __call__{shape}."
        )
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some C functions tell nothing about themselves
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        raise RouteError(
            f"{what} {qualname(function)}{signature} has to take {shape}: that is how it will be called."
        ) from None
