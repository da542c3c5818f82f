"""What durable stores do not keep is refused: where it is, why, and what to pass instead."""

from __future__ import annotations

import collections
import dataclasses
import decimal
import enum
import io
import math
import re
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.codec import samples
from tests.codec.samples import Box, Order, Outer, Pair, Point, Row, Size

from hypern.codec.plain import MAX_DEPTH
from hypern.codec.values import LIMIT, dumps
from hypern.errors import NotSerializable, TaskError, TaskTooLarge


class Word(str):
    pass


class Number(int):
    pass


class Moment(datetime):
    pass


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta()

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta()


class Pretender:
    """Says that it is a str."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return str


class MoreThanAPair(Pair):
    pass


@dataclasses.dataclass
class Listed(list[int]):
    x: int


@dataclasses.dataclass
class Failed(Exception):
    x: int


def without_a_field() -> Point:
    point = Point(1)
    del point.y
    return point


def pair_with_more() -> MoreThanAPair:
    pair = MoreThanAPair(1)
    pair.more = 1  # type: ignore[attr-defined]
    return pair


def local_class() -> Any:
    @dataclasses.dataclass
    class Local:
        x: int

    return Local(1)


def hidden_member() -> Any:
    return enum.Enum("Hidden", {"A": 1}, module=__name__).A  # type: ignore[attr-defined]


def renamed_class() -> Any:
    return enum.Enum("Size", {"A": 1}, module=samples.__name__).A  # type: ignore[attr-defined]


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: math.nan, "not finite"),
    (lambda: -math.inf, "not finite"),
    (lambda: "\ud800", "half a character"),
    (lambda: PurePosixPath("\udcff"), "half a character"),
    (lambda: Word("x"), "Word; pass a plain str"),
    (lambda: Number(1), "Number; pass a plain int"),
    (lambda: collections.OrderedDict(a=1), "collections.OrderedDict; pass a plain dict"),
    (lambda: collections.defaultdict(list), "pass a plain dict"),
    (lambda: collections.Counter("a"), "pass a plain dict"),
    (lambda: MappingProxyType({}), "pass a dict"),
    (lambda: {}.keys(), "pass a set"),
    (lambda: Moment(2026, 1, 1), "Moment; pass plain data"),
    (lambda: datetime.now(Zone()), "its time zone is of type Zone; use zoneinfo"),
    (lambda: datetime.now(UTC).time().replace(tzinfo=Zone()), "its time zone"),
    (lambda: ZoneInfo("UTC"), "ZoneInfo; pass plain data"),
    (lambda: sys.version_info, "pass a plain tuple"),
    (lambda: memoryview(b"x"), "pass plain data"),
    (lambda: range(3), "type range; pass plain data"),
    (lambda: 1j, "type complex; pass plain data"),
    (lambda: (n for n in "ab"), "type generator; pass a list made from it"),
    (lambda: iter([1]), "pass a list made from it"),
    (lambda: lambda: None, "type function; name it in the task itself"),
    (lambda: len, "name it in the task itself"),
    (lambda: samples.task, "name it in the task itself"),
    (lambda: Row, "name it in the task itself"),
    (lambda: Size, "name it in the task itself"),
    (lambda: sys, "type module; name it in the task itself"),
    (lambda: io.BytesIO(), "open it in the task"),
    (lambda: Row(), "tests.codec.samples.Row; pass plain data, or its id and load it in the task"),
    (object, "type object; pass plain data, or its id"),
    (Pretender, "Pretender; pass plain data"),
    (lambda: ValueError("x"), "type ValueError; pass its text"),
    (lambda: decimal.Context(), "pass plain data"),
    (without_a_field, "its field 'y' has no value"),
    (pair_with_more, "more in it than its fields"),
    (local_class, "move it to the top level of a module"),
    (hidden_member, "there is no 'Hidden' in the module"),
    (renamed_class, "something else stands under the class's name"),
    (lambda: Outer(), "pass plain data"),
    (lambda: Listed(1), "pass a plain list"),
    (lambda: Failed(1), "pass its text"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_what_cannot_be_stored_is_refused_with_advice(make: Callable[[], Any], words: str) -> None:
    """The reason names the type and what to pass; the path is where it is."""
    with pytest.raises(NotSerializable, match=re.escape(words)) as caught:
        dumps(make())
    assert caught.value.path == "result"
    for many in (1, 100):
        with pytest.raises(NotSerializable, match=re.escape(words)) as caught:
            dumps([1] * many + [{"in": make()}])
        assert caught.value.path == f"result[{many}]['in']"


@pytest.mark.parametrize("many", [1, 100])
def test_a_key_that_equals_a_plain_one_is_refused(many: int) -> None:
    """Also where the plain one has been met before."""
    with pytest.raises(NotSerializable, match="Word; pass a plain str") as caught:
        dumps([{"k": 1}] * many + [{Word("k"): 1}])
    assert caught.value.path == f"list(result[{many}])[0]"


def test_a_socket_is_refused() -> None:
    """Nothing that belongs to this process goes to another one."""
    with socket.socket() as connection, pytest.raises(NotSerializable, match="open it in the task"):
        dumps(connection)


def test_a_coroutine_is_refused() -> None:
    """It would never be awaited."""
    coroutine = samples.coroutine(1)
    with pytest.raises(NotSerializable, match="await it first"):
        dumps(coroutine)
    coroutine.close()


BAD = Row()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ((1, BAD), "x[1]"),
        ({"when": [0, BAD]}, "x['when'][1]"),
        ({7: BAD}, "x[7]"),
        ({(1, 2): BAD, "a": 1}, "list(x.values())[0]"),
        ({"a": 1, BAD: 2}, "list(x)[1]"),
        ({"k\ud800": 1}, "list(x)[0]"),
        ([{BAD}], "list(x[0])[0]"),
        ([frozenset({(1, BAD)})], "list(x[0])[0][1]"),
        (Box([BAD]), "x.content[0]"),
        (Point(math.nan), "x.x"),
        (Pair(1, BAD), "x.right"),
        (Order(BAD), "x.order_id"),  # type: ignore[arg-type]
        ({"k" * 200: BAD}, "x['" + "k" * 79 + "…]"),
    ],
)
def test_the_path_says_where_it_is(value: Any, path: str) -> None:
    """In Python's own words, short enough to read."""
    with pytest.raises(NotSerializable) as caught:
        dumps(value, where="x")
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path} cannot be stored: ")
    assert isinstance(caught.value, TaskError)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("wide", [1, 2, 100])
def test_a_value_that_contains_itself_is_refused(wide: int) -> None:
    """Whatever it contains itself through, and however often."""
    circle: list[Any] = []
    circle.extend([{"back": circle}] * wide)
    with pytest.raises(NotSerializable, match="contains itself") as caught:
        dumps(circle)
    assert caught.value.path == "result[0]['back']"
    box = Box[Any](None)
    box.content = (box,)
    with pytest.raises(NotSerializable, match="contains itself"):
        dumps(box)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    """One more than the limit is too much, in any kind of container; far more is no crash."""
    for wrap in (lambda x: [x], lambda x: {"k": x}, lambda x: (x,), lambda x: [x] * 40, Box):
        for depth in (MAX_DEPTH + 1, 10_000):
            value: Any = "x" if depth > MAX_DEPTH + 1 else ()
            for _ in range(depth):
                value = wrap(value)
            with pytest.raises((NotSerializable, TaskTooLarge)) as caught:
                dumps(value)
            assert "nested more than" in str(caught.value) or isinstance(caught.value, TaskTooLarge)


@pytest.mark.parametrize("wide", [1, 100])
def test_the_innermost_container_counts(wide: int) -> None:
    """However many values are in it."""
    value: Any = [1] * wide
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert dumps(value)
    for deeper in ([value], {"k": value}, [1] * wide + [value]):
        with pytest.raises(NotSerializable, match="nested more than"):
            dumps(deeper)


def shared(depth: int) -> list[Any]:
    value: list[Any] = ["x"]
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * LIMIT,
        ["x" * 10_000] * 200,
        [1] * LIMIT,
        [(1,)] * LIMIT,
        {"k" * LIMIT: 1},
        b"x" * LIMIT,
        1 << 8 * LIMIT,
        "é" * (LIMIT // 2),
        shared(60),
        [[["x" * 1_000_000] * 10_000] * 10_000] * 40,
        [{"a": ["x" * 1_000_000] * 10_000, "b": (1,)}] * 10_000,
        (shared(60),),
        [set(range(LIMIT))],
    ],
    ids=range(13),
)
def test_what_takes_too_many_bytes_is_refused(value: Any) -> None:
    """Also where it is small in memory because it contains one thing very often."""
    with pytest.raises(TaskTooLarge, match="pass where it is") as caught:
        dumps(value)
    assert caught.value.limit == LIMIT
    assert caught.value.size > LIMIT
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("value", ["x" * 98, [1] * 49 + [12], ("x" * 75,), b"x" * 54])
def test_the_limit_is_exact(value: Any) -> None:
    """What takes exactly the limit is stored, one byte more is not."""
    size = len(dumps(value))
    assert len(dumps(value, limit=size)) == size
    with pytest.raises(TaskTooLarge):
        dumps(value, limit=size - 1)
