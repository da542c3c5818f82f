"""Calls in durable stores: the arguments of a task, written and read together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypern.codec.decode import decode, decode_members
from hypern.codec.encode import Encoder
from hypern.codec.values import LIMIT, bounded, read, write, write_plain
from hypern.errors import CorruptData

Call = tuple[tuple[Any, ...], dict[str, Any]]


def dump_call(args: tuple[Any, ...], kwargs: Mapping[str, Any], limit: int = LIMIT) -> bytes:
    """Arguments as JSON in UTF-8, `limit` bytes at most.

    Raises NotSerializable, whose path begins with `args[0]` or `kwargs['name']`; TaskTooLarge.
    """
    data = write_plain([list(args), dict(kwargs)], limit, -2)
    if data is not None:
        return bounded(data, limit)
    encoder = Encoder(limit)
    positional = [encoder.encode(value, f"args[{index}]") for index, value in enumerate(args)]
    return write([positional, encoder.members(dict(kwargs), "kwargs")], limit)


def load_call(data: bytes) -> Call:
    """What `dump_call` wrote. Raises CorruptData for anything else."""
    values = read(data, _restore)
    if not _is_call(values):
        raise CorruptData("it is no call")
    return tuple(values[0]), values[1]


def _restore(values: Any) -> Any:
    if not _is_call(values):
        raise ValueError("it is no call")
    return [decode(value) for value in values[0]], decode_members(values[1])


def _is_call(values: Any) -> bool:
    """Whether it is a list, or a pair, of a list and a dict."""
    return (
        type(values) in (list, tuple)
        and len(values) == 2
        and type(values[0]) is list
        and type(values[1]) is dict
    )
