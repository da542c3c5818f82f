"""Calls in durable stores: the arguments of a task, written and read together, and the trail behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hypern.codec.decode import decode, decode_members
from hypern.codec.encode import Encoder
from hypern.codec.values import LIMIT, bounded, read, write, write_plain
from hypern.errors import CorruptData, NotSerializable
from hypern.records import LONGEST_IN_TRAIL, TRAIL

Call = tuple[tuple[Any, ...], dict[str, Any]]

_write_trail = msgspec.json.Encoder().encode


def dump_call(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    limit: int = LIMIT,
    trail: Mapping[str, str] | None = None,
) -> bytes:
    """Arguments as JSON in UTF-8, `limit` bytes at most, and behind them a trail, unless there is none.

    Raises NotSerializable, whose path begins with `args[0]` or `kwargs['name']`; TaskTooLarge.
    """
    call = _dump_arguments(args, kwargs, limit)
    return b"%b,%b]" % (call[:-1], _write_trail(trail)) if trail else call


def _dump_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any], limit: int) -> bytes:
    data = write_plain([list(args), dict(kwargs)], limit, -2)
    if data is not None:
        return bounded(data, limit)
    encoder = Encoder(limit)
    for name in kwargs:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise NotSerializable(
                f"kwargs[{name!r}]", "its name has half a character in it (a surrogate)"
            ) from None
    positional = [encoder.encode(value, f"args[{index}]") for index, value in enumerate(args)]
    return write([positional, encoder.members(dict(kwargs), "kwargs")], limit)


def load_call(data: bytes) -> Call:
    """The arguments that `dump_call` wrote. Raises CorruptData for anything else."""
    args, kwargs, _ = load_call_and_trail(data)
    return args, kwargs


def load_call_and_trail(data: bytes) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, str] | None]:
    """All that `dump_call` wrote. A damaged trail is none. Raises CorruptData for anything else."""
    values = read(data, _restore)
    if not _is_call(values):
        raise CorruptData("it is no call")
    return tuple(values[0]), values[1], checked_trail(values[2]) if len(values) > 2 else None


def checked_trail(found: object) -> dict[str, str] | None:
    """Of what may be a trail that which may be in one; None: nothing."""
    if not isinstance(found, Mapping):
        return None
    trail = {
        name: value
        for name in TRAIL
        if isinstance(value := found.get(name), str)
        and 0 < len(value) <= LONGEST_IN_TRAIL
        and value.isascii()
    }
    return trail or None


def _restore(values: Any) -> Any:
    if not _is_call(values):
        raise ValueError("it is no call")
    return [decode(value) for value in values[0]], decode_members(values[1]), *values[2:]


def _is_call(values: Any) -> bool:
    """Whether it is a list, or a tuple, of a list and a dict, perhaps with a dict behind them."""
    return (
        type(values) in (list, tuple)
        and (len(values) == 2 or (len(values) == 3 and type(values[2]) is dict))
        and type(values[0]) is list
        and type(values[1]) is dict
    )
