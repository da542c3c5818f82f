"""What "comes back as what it was" means."""

from __future__ import annotations

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

import msgspec


def shape(value: Any) -> Any:
    """A value as nested tuples of types and contents: equal only for what is the same in every respect."""
    kind = type(value)
    if kind in (list, tuple) or hasattr(value, "_fields"):
        return kind, [shape(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted((shape(item) for item in value), key=repr)
    if kind is dict:
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if kind is float:
        return kind, value.hex()
    if kind is Decimal:
        return kind, value.as_tuple()
    if isinstance(value, datetime.datetime | datetime.time):
        return kind, value.isoformat(), value.fold, type(value.tzinfo), repr(value.tzinfo)
    if dataclasses.is_dataclass(kind):
        slots = [name for name in _names(value) if hasattr(value, name)]
        return kind, [(name, shape(getattr(value, name))) for name in slots]
    if isinstance(value, msgspec.Struct):
        return kind, [shape(getattr(value, name)) for name in value.__struct_fields__]
    return kind, value


def _names(value: Any) -> list[str]:
    names = {field.name for field in dataclasses.fields(value)} | set(getattr(value, "__dict__", {}))
    return sorted(names - {"__orig_class__"})  # what typing adds is no part of the value
