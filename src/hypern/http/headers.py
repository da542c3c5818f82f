"""Header lines: what may stand in them, and a view of those that a request brought."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

# The characters of an HTTP token (RFC 9110, 5.6.2).
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COOKIE_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\",;\\]|[^\x00-\x7f]")


def encode_header(name: str, value: object) -> tuple[bytes, bytes]:
    """A header line as ASGI wants it, the name in lower case. ValueError if it could forge another."""
    if not _TOKEN.match(name):
        raise ValueError(f"{name!r} is not a header name; use letters, digits and '-'.")
    text = str(value)
    if _FORBIDDEN.search(text):
        raise ValueError(
            f"the value {text[:100]!r} of the header {name} contains a line break or another control "
            "character; remove it before it goes into a header."
        )
    return name.lower().encode("ascii"), encode_text(text.strip(" \t"))


def encode_text(text: str) -> bytes:
    """Header bytes for any text: latin-1 where that suffices, else UTF-8, as browsers read them."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def check_cookie(name: str, value: str) -> None:
    """ValueError for a cookie name or value that would end early or forge attributes."""
    if not _TOKEN.match(name):
        raise ValueError(f"{name!r} is not a cookie name; use letters, digits, '-' and '_'.")
    if _COOKIE_FORBIDDEN.search(value):
        raise ValueError(
            f"the value of the cookie {name} contains a space, quote, comma, semicolon, backslash, control "
            "or non-ASCII character; encode it, for example with urllib.parse.quote()."
        )


def check_cookie_attribute(name: str, value: str) -> None:
    """ValueError for a path or domain that would end early or forge attributes."""
    if ";" in value or _FORBIDDEN.search(value):
        raise ValueError(
            f"the cookie attribute {name}={value[:100]!r} contains a ';' or a control character."
        )


class Headers(Mapping[str, str]):
    """A request's headers: names in any case, the values of a repeated header joined by ", "."""

    __slots__ = ("_values",)

    def __init__(self, lines: Iterable[tuple[bytes, bytes]]) -> None:
        values: dict[str, str] = {}
        for raw_name, raw_value in lines:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in values:
                value = f"{values[name]}{'; ' if name == 'cookie' else ', '}{value}"
            values[name] = value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({self._values!r})"
