"""Reading a store beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from hypern.codec.modules import no_imports

P = ParamSpec("P")
R = TypeVar("R")


async def aside(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """`function(...)` in a thread. Meanwhile nothing is imported: to look at tasks is not to run what they
    name."""
    return await asyncio.to_thread(_without_imports, function, *args, **kwargs)


def _without_imports(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    with no_imports():
        return function(*args, **kwargs)
