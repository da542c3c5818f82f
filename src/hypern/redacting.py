"""Values of a task as text for people: bounded, with what is secret by its name left out."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import pathlib
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

HIDDEN = "•••"

# A value is left out if its name, in lower case and without anything but letters, contains one of these.
SECRET_NAMES = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey",
    "authorization", "cookie", "session", "credential", "signature", "dsn", "cardnumber", "cvv",
    "iban", "ssn",
)  # fmt: skip

_LONGEST_TEXT, _MOST_ITEMS, _DEEPEST, _MOST_CHARACTERS = 1000, 50, 6, 20_000
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^/\s@]{1,300}@", re.IGNORECASE)
_AS_THEY_ARE = (bool, int, float, complex, type(None), datetime.date, datetime.time, datetime.timedelta)
_AS_TEXT = (decimal.Decimal, uuid.UUID, pathlib.PurePath)


class Shown:
    """Turns values into text such as `{'to': 'ann@example.com', 'token': •••}`. `names`: further names, or
    parts of them, of what is to be left out. Methods of the values themselves are not called."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = (*SECRET_NAMES, *(_letters(name) for name in names))

    def is_secret(self, name: str) -> bool:
        letters = _letters(name)
        return any(secret in letters for secret in self._names)

    def value(self, value: Any) -> str:
        """One value."""
        return _Walk(self).text(value)

    def call(
        self, target: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """The arguments of a call, each with the name of its parameter, or its number where that is not
        known."""
        named = [*zip(_parameters(target, len(args)), args, strict=True), *kwargs.items()]
        return [
            (name, HIDDEN if self.is_secret(name) else self.value(value))
            for name, value in named[:_MOST_ITEMS]
        ]


class _Walk:
    """One value on its way to text, with what is left of the characters that it may take."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._left = _MOST_CHARACTERS

    def text(self, value: Any, depth: int = 0) -> str:
        if self._left <= 0 or depth > _DEEPEST:
            return "…"
        said = self._said(value, depth)
        if not isinstance(value, (list, tuple, set, frozenset, Mapping)):
            self._left -= len(said)
        return said

    def _said(self, value: Any, depth: int) -> str:
        if isinstance(value, enum.Enum):
            return f"{type(value).__name__}.{value._name_}"
        if type(value) in _AS_THEY_ARE or isinstance(value, datetime.date):
            return _short_number(value)
        if isinstance(value, str):
            return _bounded(
                _USERINFO.sub(rf"\1{HIDDEN}@", str.__str__(value)[: _LONGEST_TEXT * 2]), len(value)
            )
        if isinstance(value, (bytes, bytearray)):
            return f"<{len(value):,} bytes>"
        if isinstance(value, _AS_TEXT):
            return f"{type(value).__name__}({str(value)[:_LONGEST_TEXT]!r})"
        if isinstance(value, Mapping):
            return self._pairs("{", value.items(), "}", ": ", repr, depth, len(value))
        if isinstance(value, (list, tuple, set, frozenset)):
            opening, closing = _BRACKETS[next(kind for kind in _BRACKETS if isinstance(value, kind))]
            return self._items(opening, value, closing, depth)
        fields = _fields(value)
        if fields is None:
            return f"<{type(value).__qualname__}>"
        pairs = [(name, getattr(value, name, None)) for name in fields]
        return self._pairs(f"{type(value).__name__}(", pairs, ")", "=", str, depth, len(pairs))

    def _items(self, opening: str, values: Any, closing: str, depth: int) -> str:
        said = []
        for number, value in enumerate(values):
            if number >= _MOST_ITEMS or self._left <= 0:
                said.append(f"… {len(values) - number:,} more")
                break
            said.append(self.text(value, depth + 1))
        return f"{opening}{', '.join(said)}{closing}"

    def _pairs(
        self,
        opening: str,
        pairs: Iterable[tuple[Any, Any]],
        closing: str,
        between: str,
        key: Callable[[Any], str],
        depth: int,
        number_of_all: int,
    ) -> str:
        said = []
        for number, (name, value) in enumerate(pairs):
            if number >= _MOST_ITEMS or self._left <= 0:
                said.append(f"… {number_of_all - number:,} more")
                break
            is_secret = isinstance(name, str) and self._shown.is_secret(name)
            label = key(name[:100]) if isinstance(name, str) else self.text(name, depth + 1)
            self._left -= len(label)
            said.append(f"{label}{between}{HIDDEN if is_secret else self.text(value, depth + 1)}")
        return f"{opening}{', '.join(said)}{closing}"


_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
}


def _letters(name: str) -> str:
    return "".join(character for character in name[:200].lower() if character.isalpha())


def _bounded(text: str, length: int) -> str:
    if length <= _LONGEST_TEXT:
        return repr(text)
    return f"{text[:_LONGEST_TEXT]!r}… ({length:,} characters)"


def _short_number(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 400:
        return f"<a number of {value.bit_length():,} bits>"
    return repr(value)


def _fields(value: Any) -> list[str] | None:
    """The names of the fields of a record-like value."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    for attribute in ("__struct_fields__", "model_fields"):
        names = getattr(kind, attribute, None)
        if isinstance(names, (tuple, Mapping)):
            return [str(name) for name in names]
    return None


def _parameters(target: Callable[..., Any], number: int) -> list[str]:
    try:
        kinds = inspect.signature(target).parameters.values()
    except (ValueError, TypeError):
        kinds = {}.values()
    names: list[str] = []
    for parameter in kinds:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{index}]" for index in range(max(0, number - len(names)))]
            break
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    return [*names[:number], *(str(index) for index in range(len(names), number))]
