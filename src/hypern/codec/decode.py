"""From plain values back to what `encode` was given."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, TypeVar

from hypern.codec.classes import Kind, find_class
from hypern.codec.leaves import READERS
from hypern.codec.modules import Unreachable
from hypern.codec.objects import put_together, read_member
from hypern.codec.plain import TAG

C = TypeVar("C", bound=Sized)


def decode(value: Any) -> Any:
    """The value that a plain one stands for.

    Raises ValueError, or whatever the parts raise, if it stands for none.
    """
    if type(value) is list:
        return [decode(item) for item in value]
    if type(value) is not dict:
        return value
    if TAG not in value:
        return decode_members(value)
    tag, content = value[TAG], value["v"]
    if tag in READERS:
        return READERS[tag](content)
    if tag in _CONTAINERS:
        return _CONTAINERS[tag](content)
    if tag == "enum" or tag == "object":
        return _object(tag, value["class"], content)
    raise ValueError(f"there is no tag {str(tag)[:80]!r}")


def decode_members(members: dict[str, Any]) -> dict[str, Any]:
    """The same for the values of a dict that is known to be one."""
    return {key: decode(item) for key, item in members.items()}


def _items(content: Any) -> list[Any]:
    if type(content) is not list:
        raise ValueError("a list was expected")
    return [decode(item) for item in content]


def _tuple(content: Any) -> tuple[Any, ...]:
    return tuple(_items(content))


def _set(content: Any) -> set[Any]:
    items = _items(content)
    return _complete(set(items), items)


def _frozenset(content: Any) -> frozenset[Any]:
    items = _items(content)
    return _complete(frozenset(items), items)


def _dict(content: Any) -> dict[Any, Any]:
    pairs = [(key, item) for key, item in _items(content)]
    return _complete(dict(pairs), pairs)


def _complete(made: C, items: list[Any]) -> C:
    if len(made) != len(items):
        raise ValueError("an element or a key stands twice")
    return made


_CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "tuple": _tuple,
    "set": _set,
    "frozenset": _frozenset,
    "dict": _dict,
}


def _object(tag: str, path: Any, content: Any) -> Any:
    if type(path) is not str:
        raise ValueError("the name of a class is a str")
    try:
        cls, kind = find_class(path)
    except Unreachable as error:
        raise ValueError(f"the class {path[:200]!r} is not found here: {error}") from error
    if (tag == "enum") != (kind is Kind.ENUM):
        raise ValueError(f"the class {path!r} is of another kind now, {kind.value}")
    if tag == "enum":
        return read_member(cls, content)
    if type(content) is not dict:
        raise ValueError("a dict was expected")
    return put_together(cls, kind, decode_members(content))
