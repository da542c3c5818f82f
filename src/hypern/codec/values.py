"""Values in durable stores: typed JSON that comes back as what it was, or is refused.

Stored exactly, types included: None, bool, int, float (finite), str, bytes, bytearray, list, tuple, set,
frozenset, dict (keys as well), datetime (naive, fixed offset, ZoneInfo), date, time,
timedelta, UUID, Decimal, pathlib paths, members of Enum and Flag, dataclasses, named tuples,
msgspec.Struct, pydantic models, and any of these in one another, 64 deep at most.
Objects keep their values, not that two of them are one. A subclass that is none of these is refused.

Nothing stored is executed. A stored name of a class is imported and, once it is known to be one of the
kinds above, given its state; of that only a Struct's `__post_init__` and an enum's `_missing_` run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from hypern.codec.decode import decode
from hypern.codec.encode import Encoder
from hypern.codec.plain import TAG, size_if_plain
from hypern.errors import CorruptData, TaskTooLarge

# The most bytes of one document, unless a store says otherwise.
LIMIT = 1_000_000

T = TypeVar("T")

_write = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder().decode
_TAG_AS_WRITTEN = f'"{TAG}":'.encode()


def dumps(value: Any, where: str = "result", limit: int = LIMIT) -> bytes:
    """The value as JSON in UTF-8. `where`: what errors call it. `limit`: the most bytes it may take.

    Raises NotSerializable, which says what could not be stored, where it is and what to pass instead;
    TaskTooLarge.
    """
    kind = type(value)
    depth = 0 if kind is list or kind is dict else -1
    data = write_plain([value] if depth else value, limit, depth)
    if data is None:
        return write(Encoder(limit).encode(value, where), limit)
    return bounded(data[1:-1] if depth else data, limit)


def loads(data: bytes) -> Any:
    """The value that `dumps` wrote. Raises CorruptData for anything else."""
    return read(data, decode)


def write_plain(values: Any, limit: int, depth: int) -> bytes | None:
    """A list or dict as JSON if it is plain (see `size_if_plain`), None if it is not."""
    if size_if_plain(values, limit, depth) < 0:
        return None
    try:
        return _write(values)
    except ValueError:  # a str with half a character, an int with thousands of digits
        return None


def write(values: Any, limit: int) -> bytes:
    """Plain values as JSON. Raises TaskTooLarge."""
    return bounded(_write(values), limit)


def bounded(data: bytes, limit: int) -> bytes:
    """The data itself. Raises TaskTooLarge if it is longer than `limit`."""
    if len(data) > limit:
        raise TaskTooLarge(len(data), limit)
    return data


def read(data: bytes, restore: Callable[[Any], T]) -> Any | T:
    """What JSON says, through `restore` if there is a tag in it. Raises CorruptData."""
    try:
        values = _read(data)
        return restore(values) if _TAG_AS_WRITTEN in data else values
    except Exception as error:  # damaged data may be wrong in any way that its parts can be wrong in
        raise CorruptData(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    try:
        text = str(error).removesuffix(".")
    except Exception:
        text = ""
    return text[:400] if type(error) is ValueError and text else f"{type(error).__name__}: {text[:400]}"
