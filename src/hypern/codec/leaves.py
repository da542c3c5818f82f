"""Leaves: values without parts that JSON has no word for. Each is written and read side by side."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

Write = Callable[[Any], Any]
Read = Callable[[Any], Any]


class Unwritable(Exception):
    """This value cannot be written exactly. Says why, and what to pass instead."""


def _write_bytes(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _read_bytes(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)


def _read_bytearray(text: Any) -> bytearray:
    return bytearray(_read_bytes(text))


def _write_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_timedelta(parts: Any) -> timedelta:
    days, seconds, microseconds = parts
    return timedelta(days, seconds, microseconds)


def _write_clock(value: datetime | time) -> list[Any]:
    """Without its zone, and with `fold`, which tells the second of two equal hours in autumn."""
    bare = value.replace(tzinfo=None, fold=0)
    return [bare.isoformat(), value.fold, _write_zone(value.tzinfo)]


def _read_datetime(parts: Any) -> datetime:
    text, fold, zone = parts
    return datetime.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)


def _read_time(parts: Any) -> time:
    text, fold, zone = parts
    return time.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)


def _write_zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        return [_write_timedelta(offset), None if timezone(offset).tzname(None) == name else name]
    raise Unwritable(
        f"its time zone is of type {type(zone).__qualname__}; use zoneinfo.ZoneInfo or datetime.timezone"
    )


def _read_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    offset, name = zone
    return timezone(_read_timedelta(offset)) if name is None else timezone(_read_timedelta(offset), name)


def _read_decimal(text: Any) -> Decimal:
    return Decimal(_text(text))


def _read_unset(nothing: Any) -> msgspec.UnsetType:
    return msgspec.UNSET


def _read_int(text: Any) -> int:
    return int(_text(text), 16)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a str was expected, not {type(value).__name__}")
    return value


# For each type its tag, how it is written, and how it is read. Subclasses are other types.
_LEAVES: list[tuple[type, str, Write, Read]] = [
    (int, "int", hex, _read_int),  # only those that have more digits than Python reads and writes at once
    (bytes, "bytes", _write_bytes, _read_bytes),
    (bytearray, "bytearray", _write_bytes, _read_bytearray),
    (datetime, "datetime", _write_clock, _read_datetime),
    (date, "date", date.isoformat, date.fromisoformat),
    (time, "time", _write_clock, _read_time),
    (timedelta, "timedelta", _write_timedelta, _read_timedelta),
    (UUID, "uuid", str, UUID),
    (Decimal, "decimal", str, _read_decimal),
    (PosixPath, "PosixPath", str, PosixPath),
    (WindowsPath, "WindowsPath", str, WindowsPath),
    (PurePosixPath, "PurePosixPath", str, PurePosixPath),
    (PureWindowsPath, "PureWindowsPath", str, PureWindowsPath),
    (msgspec.UnsetType, "unset", lambda _: None, _read_unset),
]

WRITERS: dict[type, tuple[str, Write]] = {kind: (tag, write) for kind, tag, write, _ in _LEAVES}
READERS: dict[str, Read] = {tag: read for _, tag, _, read in _LEAVES}
