"""Many values as one parameter: arrays as PostgreSQL writes them, joined faster than they are adapted."""

from __future__ import annotations

from collections.abc import Iterable

from hypern.stores.durable.rows import clean


def numbers(values: Iterable[float | None]) -> str:
    """Of ints or floats; None becomes NULL."""
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def booleans(values: Iterable[bool]) -> str:
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def blobs(values: Iterable[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    text = clean(text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
