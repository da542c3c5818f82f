"""From values to plain ones: whatever JSON has no word for becomes an object with a tag.

    (1, 2)               {"$": "tuple", "v": [1, 2]}
    {1: "one"}           {"$": "dict", "v": [[1, "one"]]}
    Colour.RED           {"$": "enum", "class": "app:Colour", "v": "RED"}
    Point(1, 2)          {"$": "object", "class": "app:Point", "v": {"x": 1, "y": 2}}
    date(2026, 1, 2)     {"$": "date", "v": "2026-01-02"}

A dict that has the key "$" itself is written as pairs, so no value can be taken for another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from hypern.codec.advice import advice
from hypern.codec.classes import Kind, class_path, kind_of
from hypern.codec.leaves import WRITERS, Unwritable
from hypern.codec.modules import Unreachable
from hypern.codec.objects import take_apart, write_member
from hypern.codec.plain import MAX_DEPTH, TAG
from hypern.errors import NotSerializable, TaskTooLarge

# An int of more bits may have more digits than Python agrees to read (sys.set_int_max_str_digits).
_MAX_INT_BITS = 2_000

Step = tuple[str, str]


class Encoder:
    """Turns values into plain ones, `limit` bytes of them at most. For one document."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._inside: set[int] = set()

    def encode(self, value: Any, where: str) -> Any:
        """The plain value that stands for `value`, which errors call `where`.

        Raises NotSerializable, and TaskTooLarge as soon as it is clear that it would be too large.
        """
        try:
            return self._any(value)
        except _Refused as refused:
            raise NotSerializable(refused.path(where), str(refused)) from None

    def members(self, members: dict[str, Any], where: str) -> dict[str, Any]:
        """The same for a dict that is known to be one, so that it needs no tag."""
        return {name: self.encode(value, f"{where}[{name!r}]") for name, value in members.items()}

    def _any(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._str(value)
        if kind is int and value.bit_length() <= _MAX_INT_BITS:
            return value
        if kind is float:
            return _float(value)
        if kind in WRITERS:
            return self._leaf(value)
        return self._with_parts(value)

    def _str(self, value: str) -> str:
        self._spend(len(value))
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _Refused("it is a str with half a character in it (a surrogate); pass bytes") from None
        return value

    def _leaf(self, value: Any) -> dict[str, Any]:
        tag, write = WRITERS[type(value)]
        try:
            written = write(value)
        except Unwritable as why:
            raise _Refused(str(why)) from None
        return {TAG: tag, "v": self._str(written) if isinstance(written, str) else written}

    def _with_parts(self, value: Any) -> Any:
        if id(value) in self._inside:
            raise _Refused("it contains itself; pass data without circles")
        if len(self._inside) >= MAX_DEPTH:
            raise _Refused(f"it is nested more than {MAX_DEPTH} deep; pass it in parts")
        self._inside.add(id(value))
        try:
            return self._container(value)
        finally:
            self._inside.discard(id(value))

    def _container(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return self._items(value, len(value), _item)
        if kind is dict:
            return self._dict(value)
        if kind is tuple:
            return {TAG: "tuple", "v": self._items(value, len(value), _item)}
        if kind is set or kind is frozenset:
            return {TAG: kind.__name__, "v": self._items(value, len(value), _nth)}
        return self._object(value)

    def _items(self, values: Iterable[Any], count: int, step: Any) -> list[Any]:
        self._spend(count)
        return [self._part(value, step, index) for index, value in enumerate(values)]

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        self._spend(len(value))
        pairs = [
            [self._part(key, _nth, index), self._part(item, _value, (index, key))]
            for index, (key, item) in enumerate(value.items())
        ]
        if TAG not in value and all(type(key) is str for key in value):
            return dict(pairs)
        return {TAG: "dict", "v": pairs}

    def _object(self, value: Any) -> dict[str, Any]:
        cls: type = type(value)
        kind = kind_of(cls)
        if kind is None:
            raise _Refused(advice(value))
        try:
            path = class_path(cls)
            if kind is Kind.ENUM:
                return {TAG: "enum", "class": path, "v": write_member(value)}
            state = take_apart(value, kind)
        except Unwritable as why:
            raise _Refused(str(why)) from None
        except Unreachable as why:
            raise _Refused(f"its class {cls.__qualname__} would not be found again: {why}") from None
        self._spend(len(state) + len(path))
        parts = {name: self._part(part, _attribute, name) for name, part in state.items()}
        return {TAG: "object", "class": path, "v": parts}

    def _part(self, value: Any, step: Any, place: Any) -> Any:
        try:
            return self._any(value)
        except _Refused as refused:
            refused.steps.append(step(place))
            raise

    def _spend(self, size: int) -> None:
        self._size += size
        if self._size > self._limit:
            raise TaskTooLarge(self._size, self._limit)


class _Refused(Exception):
    """A value that is not stored, and from it outwards the steps of the way to it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.steps: list[Step] = []

    def path(self, where: str) -> str:
        for before, after in reversed(self.steps):
            where = before + where + after
        return where


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise _Refused("it is a float that is not finite (NaN or infinity); pass None, or a Decimal")
    return value


def _item(place: object) -> Step:
    return "", f"[{_shown(place)}]"


def _nth(index: object) -> Step:
    return "list(", f")[{index}]"


def _value(place: tuple[int, object]) -> Step:
    index, key = place
    return ("", f"[{_shown(key)}]") if type(key) in (str, int) else ("list(", f".values())[{index}]")


def _attribute(name: object) -> Step:
    return "", f".{name}"


def _shown(place: object) -> str:
    text = repr(place)
    return text if len(text) <= 80 else f"{text[:80]}…"
