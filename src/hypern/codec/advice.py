"""Advice: what to pass instead of a value that cannot be stored."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import CoroutineType, ModuleType
from typing import Any

_BASES = (str, int, float, bytes, list, tuple, dict, set, frozenset)


def advice(value: Any) -> str:
    """The type of a value and what to pass instead, in words that follow "cannot be stored: "."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"it is of type {name}; {_instead(value, kind)}"


def _instead(value: Any, kind: type) -> str:
    # Asked of the type: an object may pretend to be of another one.
    for base in _BASES:
        if issubclass(kind, base):
            return f"pass a plain {base.__name__} made from it"
    if issubclass(kind, Mapping):
        return "pass a dict made from it"
    if issubclass(kind, AbstractSet):
        return "pass a set made from it"
    if issubclass(kind, CoroutineType):
        return "await it first, and pass what it gives"
    if issubclass(kind, Iterator) and not issubclass(kind, io.IOBase):
        return "pass a list made from it"
    if issubclass(kind, io.IOBase | socket.socket):
        return "pass a path or an address, and open it in the task"
    if issubclass(kind, type | ModuleType) or callable(value):
        return "name it in the task itself, or pass a str that says which one is meant"
    if issubclass(kind, BaseException):
        return "pass its text"
    return "pass plain data, or its id and load it in the task"
