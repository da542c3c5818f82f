"""Plain values: what JSON says as it is, which is what most tasks are called with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

# The key that marks an object of JSON as something else than a dict.
TAG = "$"

# How many containers may stand in one another.
MAX_DEPTH = 64

# From so many items on, looking at a whole level at once is faster than at one container after the other.
_MANY = 32

_STR = frozenset({str})
_flat = chain.from_iterable


def size_if_plain(values: Any, room: int, depth: int = 0) -> int:
    """At least so many bytes does a list or dict of plain values take; -1 if it is not plain, or too big.

    Plain are str, int, bool, None, finite floats, and lists and dicts with str keys of such, all of
    exactly these types, nested `MAX_DEPTH` deep at most. `room`: bytes that it may take; a value that
    is small but contains one thing very often would otherwise be counted for ever.
    """
    size = len(values)
    if size > _MANY:
        return _size_of_many(values, room, depth)
    if size > room or depth >= MAX_DEPTH:
        return -1
    if type(values) is dict:
        if TAG in values:
            return -1
        for key in values:
            if type(key) is not str:
                return -1
            size += len(key)
        values = values.values()
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind is int:
            pass
        elif kind is list or kind is dict:
            inner = size_if_plain(value, room, depth + 1)
            if inner < 0:
                return -1
            size += inner
        elif kind is float:
            if value - value != 0.0:
                return -1
        elif value is not None and kind is not bool:
            return -1
    return size if size <= room else -1


def _size_of_many(values: Any, room: int, depth: int) -> int:
    """The same, level by level."""
    dicts, lists = ([values], []) if type(values) is dict else ([], [values])
    size = 0
    for _ in range(depth, MAX_DEPTH):
        size += sum(map(len, dicts)) + sum(map(len, lists))
        if size > room or not _have_plain_keys(dicts):
            return -1
        level = chain(_flat(lists), _flat([members.values() for members in dicts]))
        size, lists, dicts = _size_of_level(level, size)
        if size < 0 or size > room:
            return -1
        if not lists and not dicts:
            return size
    return -1


def _have_plain_keys(dicts: list[dict[Any, Any]]) -> bool:
    return _STR.issuperset(map(type, _flat(dicts))) and not any(TAG in members for members in dicts)


def _size_of_level(level: Iterable[Any], size: int) -> tuple[int, list[Any], list[Any]]:
    """`size` and what the values take by themselves (-1 if one is not plain); the lists, the dicts."""
    lists, dicts = [], []
    for value in level:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind is int:
            pass
        elif kind is list:
            lists.append(value)
        elif kind is dict:
            dicts.append(value)
        elif kind is float:
            if value - value != 0.0:
                return -1, [], []
        elif value is not None and kind is not bool:
            return -1, [], []
    return size, lists, dicts
