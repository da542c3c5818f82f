"""Values that durable stores keep come back as what they were."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codec.comparing import shape
from tests.codec.samples import (
    Adjusted,
    Bits,
    Box,
    Colour,
    Derived,
    Frozen,
    Level,
    Order,
    Outer,
    Pair,
    Point,
    Rights,
    Size,
)

from hypern.codec.plain import MAX_DEPTH
from hypern.codec.values import dumps, loads

BERLIN = ZoneInfo("Europe/Berlin")
WHEN = datetime(2026, 10, 25, 2, 30, 0, 123456)
FROZEN = Frozen(WHEN, frozenset({"a"}))


def derived() -> Derived:
    made = object.__new__(Derived)
    for name, value in {"when": WHEN, "tags": frozenset(), "inner": Point(3, 4)}.items():
        object.__setattr__(made, name, value)
    return made


def adjusted() -> Adjusted:
    made = Adjusted(n=1)
    made.n = 7
    return made


VALUES = [
    *(None, True, False, 0, -1, 2**63, 2**64, 2**70, -(2**2000), 10**6000, -(10**6000)),
    *(0.0, -0.0, 1.0, 1e16, 5e-324, 1.7976931348623157e308, 0.1),
    *("", 'é\x00\n"\\\u2028😀', "$", '{"$":1}', b"", b"\x00\xff", bytearray(b"x")),
    *([], {}, (), set(), frozenset(), [[]], {"": {}}, (1, [2, (3,)]), {1, "a", (2, b"b")}, frozenset({None})),
    *({1: "one"}, {(1, 2): 3}, {None: 0, True: 1, "x": 2}, {Size.SMALL: 1}, {Level.LOW: 1, "a": 2}),
    *({"$": "tuple", "v": [1]}, {"$": 1}, {"v": 1, "$": {"$": None}}, [{"$": "enum"}], {"x": ("$",)}),
    *({"$v": 1, "class": "x:y"}, {b"k": {frozenset({1}): [date.min]}}),
    *(WHEN, WHEN.replace(fold=1), WHEN.replace(tzinfo=UTC), WHEN.replace(tzinfo=BERLIN)),
    *(WHEN.replace(tzinfo=BERLIN, fold=1), WHEN.replace(tzinfo=ZoneInfo("UTC")), datetime.min, datetime.max),
    WHEN.replace(tzinfo=timezone(timedelta(hours=-3, minutes=30, microseconds=1))),
    WHEN.replace(tzinfo=timezone(timedelta(hours=1), "CET")),
    *(date(1, 1, 1), time(1, 2, 3, 4), time(1, fold=1, tzinfo=BERLIN), time(2, tzinfo=UTC)),
    *(timedelta.min, timedelta.max, timedelta(microseconds=-1), timedelta()),
    *(uuid.UUID(int=7), uuid.uuid5(uuid.NAMESPACE_DNS, "x")),
    *map(Decimal, ["1.50", "-0", "1E+999999", "0E-7", "NaN", "-sNaN12", "Infinity", "-Infinity", "9" * 60]),
    *(Path("/tmp/x y"), PurePosixPath("a"), PureWindowsPath("c:\\x")),
    *(Colour.RED, Colour.LIME, Size.SMALL, Level.HIGH, Outer.Inner.A, HTTPStatus.OK),
    *(Rights.READ, Rights.ALL, Rights(0), Bits.ONE | Bits.TWO, Bits(8), Bits(0)),
    *(
        Point(3, 4),
        Point(1, seen=["a"]),
        FROZEN,
        derived(),
        [Box(Box(FROZEN))],
        Box[int](1),
        {FROZEN: FROZEN},
    ),
    *(Pair(1, (2,)), Pair(Pair(1), []), Order(1), Order(2, (Pair(1),), "n"), adjusted(), msgspec.UNSET),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__qualname__)
def test_a_value_comes_back_as_what_it_was(value: Any) -> None:
    """Value and type are the same, alone and inside of others; and what is written is JSON."""
    data = dumps(value)
    json.dumps(msgspec.json.decode(data), allow_nan=False)
    assert shape(loads(data)) == shape(value)
    assert shape(loads(dumps([{"a": value}, (value,)]))) == shape([{"a": value}, (value,)])


@pytest.mark.parametrize("value", [None, 1, "x", [1.5, {"a": [True, None]}], [{"a": "b"}] * 100])
def test_plain_values_are_written_as_plain_json(value: Any) -> None:
    """Other programs can read them, and they cost what JSON costs."""
    assert dumps(value) == msgspec.json.encode(value)


def test_what_is_private_to_an_object_comes_back() -> None:
    """A dataclass keeps what it set itself, and `__init__` and `__post_init__` do not run again."""
    point = Point(3, 4)
    point.length = -1
    point.extra = (1,)  # type: ignore[attr-defined]
    back = loads(dumps(point))
    assert (back.length, back._secret, back.extra) == (-1, "kept", (1,))


def test_members_and_zones_are_the_very_same() -> None:
    """Identity holds where Python has one object only."""
    back = loads(dumps([Colour.RED, Rights.ALL, WHEN.replace(tzinfo=BERLIN), WHEN.replace(tzinfo=UTC)]))
    assert back[0] is Colour.RED
    assert back[1] is Rights.ALL
    assert back[2].tzinfo is BERLIN
    assert back[3].tzinfo is UTC


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize(
    "odd", [Size.SMALL, Level.LOW, True, 1.0, (1,), {Size.SMALL: 1}, {"$": 1}, {True: 1}, Pair(1), b"s"]
)
def test_what_equals_a_plain_value_is_not_taken_for_one(odd: Any, many: int) -> None:
    """In short and in long lists, what only looks plain keeps its type."""
    value = ["s", 1, {"s": 1}, {"1": 1}] * many + [odd, {"in": [odd]}]
    assert shape(loads(dumps(value))) == shape(value)


def test_values_are_stored_as_deep_as_promised() -> None:
    """Lists, dicts and tuples in one another up to the limit."""
    for wrap in (lambda x: [x], lambda x: {"k": x}, lambda x: {1: x}, lambda x: (x,), Box):
        value: Any = wrap(1)
        for _ in range(MAX_DEPTH - 1):
            value = wrap(value)
        assert shape(loads(dumps(value))) == shape(value)


def test_nothing_imports_pydantic() -> None:
    """Neither writing nor reading values of other kinds."""
    program = (
        "import sys\nfrom hypern.codec.values import dumps, loads\nloads(dumps((1,)))\n"
        "try: dumps(object())\nexcept TypeError: pass\nassert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["$", "v", "class"])
ZONES = st.none() | st.timezones() | st.just(UTC) | st.builds(timezone, st.timedeltas(
    min_value=timedelta(hours=-23), max_value=timedelta(hours=23)))  # fmt: skip
HASHABLE_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.binary()
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times(timezones=ZONES)
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.sampled_from([*Colour, *Size, *Level, *Rights, *Bits])
)
HASHABLE = st.recursive(
    HASHABLE_LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)
ANY = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.builds(Box, inner)
        | st.builds(Adjusted, n=inner.filter(lambda x: type(x) is int) | st.integers())
    ),
    max_leaves=15,
)


@given(ANY)
def test_any_value_comes_back_as_what_it_was(value: Any) -> None:
    """Whatever is put together from what is promised, in whatever way."""
    assert shape(loads(dumps(value, limit=10_000_000))) == shape(value)
