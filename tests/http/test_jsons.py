"""JSON: strict when reading, generous when writing."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import time
import uuid
from collections import OrderedDict, UserDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypern.errors import BadRequest
from hypern.http.jsons import decode_json, encode_json


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": NaN}', "byte 6"),
        (b"-Infinity", "byte"),
        (b"[1e999]", "out of range"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a" : {"b": ":", "b" : 2}}', "'b' stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
        (b'{"a": 1, "a": 2, "b": "\\u003a"}', "'a' stands twice"),
        (b'{"a": 1, "a": 2, "b": "\\u003A"}', "'a' stands twice"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 7)"),
        ('{"a": 1}'.encode("utf-16"), "byte 0"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        (b"9" * 5000, "out of range"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": 1,}', "trailing comma"),
        (b'{"a": 1', "ends too early at line 1, column 8"),
        (b'{\n  "a": 1\n  "b": 2\n}', "line 3, column 3"),
        (b"{} {}", "trailing characters"),
        (b"", "ends too early"),
        (b"{'a': 1}", "line 1, column 2"),
    ],
)
def test_what_is_not_strict_json_is_refused_saying_where(body: bytes, words: str) -> None:
    """A BadRequest names the trouble, and the place where there is one."""
    with pytest.raises(BadRequest) as caught:
        decode_json(body)
    assert words in caught.value.detail


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2, "b": [' + b"1," * 500_000 + b"1]}",
        b'[{"a": 1, "a": 2},' + b'{"k": "v", "w": [1, 2]},' * 40_000 + b"1]",
        b"[" * 1_000_000,
        b'"' + b"x" * 1_000_000 + b"\xff" + b'"',
        b"9" * 1_000_000,
    ],
)
def test_a_hostile_body_does_not_hold_the_loop(body: bytes) -> None:
    """A megabyte is refused in a time that no client notices; generous for slow machines. What other programs
    of the machine take does not count."""
    started = time.thread_time()
    with pytest.raises(BadRequest):
        decode_json(body)
    assert time.thread_time() - started < 0.5


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans())
def test_what_the_standard_library_writes_is_read(value: Any, escape: bool) -> None:
    """No correct document is refused, colons and escapes in any place included."""
    assert decode_json(json.dumps(value, ensure_ascii=escape).encode()) == value


def test_a_large_document_with_escaped_colons_is_read() -> None:
    """The check for doubled keys counts colons, and is not misled by those that are spelt otherwise."""
    assert decode_json(b'{"a":["\\u003a"' + b',"b:\\u003a"' * 20_000 + b"]}")["a"][:2] == [":", "b::"]
    with pytest.raises(BadRequest, match="twice"):
        decode_json(b'{"a":1,"a":["\\u003a"' + b',"b:\\u003a"' * 20_000 + b"]}")
    with pytest.raises(BadRequest, match="a key stands twice"):
        decode_json(b'{"a":1,"a":[""' + b',"b:"' * 20_000 + b"]}")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(str):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Model:
    """Looks like a pydantic model."""

    def model_dump(self, mode: str) -> dict[str, str]:
        return {"mode": mode}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), "PT60S"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (Word("x"), "x"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Model(), {"mode": "json"}),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (range(3), [0, 1, 2]),
        (UserDict(a=1), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ({1: "one"}, {"1": "one"}),
        (float("nan"), None),
        (float("inf"), None),
        (2**70, 2**70),
    ],
)
def test_python_values_become_json(value: Any, expected: Any) -> None:
    """Dates, ids, enums, dataclasses and models are written as one would expect."""
    assert json.loads(encode_json(value)) == expected


@pytest.mark.parametrize("value", [object(), (n for n in "ab"), {(1, 2): 3}, ValueError("x"), "\ud800"])
def test_what_json_cannot_say_is_an_error(value: Any) -> None:
    """The error comes at the call, not as a broken answer."""
    with pytest.raises((TypeError, ValueError)):
        encode_json(value)


def test_a_value_that_contains_itself_is_an_error() -> None:
    """A cycle is named as what it is."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="contains itself"):
        encode_json(value)


@pytest.mark.parametrize("key", [None, (1, 2)])
def test_what_cannot_be_a_key_is_named(key: Any) -> None:
    """As a value the same would do."""
    with pytest.raises(TypeError, match=re.escape(f"{key!r} cannot be a key")):
        encode_json({key: 1})
    assert encode_json([key])
