"""Data that is damaged, or made by an enemy, is a CorruptData and runs nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codec import samples
from tests.codec.test_values import VALUES

from hypern.codec.calls import load_call
from hypern.codec.leaves import READERS
from hypern.codec.values import dumps, loads
from hypern.errors import CorruptData, TaskError

HERE = "tests.codec.samples"
RUNNING = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.", "pickle.")

_watching: list[list[str]] = []


def _watch(event: str, arguments: Any) -> None:
    if _watching and event.startswith(RUNNING):
        _watching[-1].append(event)


sys.addaudithook(_watch)


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Fails if a program is started, a connection made or an object unpickled meanwhile."""
    _watching.append([])
    try:
        yield
    finally:
        events = _watching.pop()
    assert not events


def made(tag: str, v: Any, name: str | None = None) -> dict[str, Any]:
    return {"$": tag, "v": v} | ({} if name is None else {"class": name})


DAMAGED: list[tuple[Any, str]] = [
    ({"$": "no such tag", "v": 1}, "there is no tag 'no such tag'"),
    ({"$": None, "v": 1}, "there is no tag"),
    ({"$": ["tuple"], "v": 1}, "unhashable"),
    ({"$": "tuple"}, "KeyError: 'v'"),
    (made("tuple", "ab"), "a list was expected"),
    (made("set", [[1]]), "unhashable"),
    (made("set", [1, 1]), "stands twice"),
    (made("frozenset", [1, 1.0]), "stands twice"),
    (made("dict", [[1, 2], [1, 3]]), "stands twice"),
    (made("dict", [[1, 2, 3]]), "too many values"),
    (made("dict", [[[], 1]]), "unhashable"),
    (made("bytes", "not base64"), "base64"),
    (made("bytearray", "YQ==!"), "padding"),
    (made("int", "0xzz"), "invalid literal"),
    (made("int", 5), "a str was expected"),
    (made("decimal", "1.2.3"), "InvalidOperation"),
    (made("decimal", [0, [1], 0]), "a str was expected"),
    (made("uuid", "x"), "badly formed"),
    (made("date", "2026-13-01"), "month"),
    (made("datetime", ["2026-01-01T00:00", 0, "Mars/Base"]), "Mars/Base"),
    (made("datetime", ["2026-01-01T00:00", 0, "../../etc/passwd"]), "ZoneInfo keys"),
    (made("datetime", ["2026-01-01T00:00", 0, "America"]), "America"),
    (made("datetime", ["2026-01-01T00:00", 2, None]), "fold"),
    (made("time", ["12:00", 0, [[1, 0, 0], None]]), "timedelta"),
    (made("timedelta", [10**12, 0, 0]), "OverflowError"),
    (made("WindowsPath", "c:/"), "WindowsPath"),
    (made("enum", "NO", f"{HERE}:Colour"), "KeyError: 'NO'"),
    (made("enum", 1, f"{HERE}:Level"), "no such member"),
    (made("enum", 2**70, f"{HERE}:Rights"), "Rights"),
    (made("enum", True, f"{HERE}:Rights"), "no such member"),
    (made("enum", "A", f"{HERE}:Point"), "of another kind now, dataclass"),
    (made("object", {}, f"{HERE}:Colour"), "of another kind now, enum"),
    (made("object", [], f"{HERE}:Point"), "a dict was expected"),
    (made("object", {}, f"{HERE}:Point"), "a field 'x' that was not stored"),
    (made("object", {"when": 1, "tags": 1, "more": 1}, f"{HERE}:Frozen"), "__dict__"),
    (made("object", {}, f"{HERE}:Order"), "Missing required argument 'order_id'"),
    (made("object", {"order_id": 1, "x": 2}, f"{HERE}:Order"), "Unexpected keyword argument 'x'"),
    (made("object", {"n": "x"}, f"{HERE}:Adjusted"), "TypeError"),
    (made("object", {"middle": 1, "left": 2}, f"{HERE}:Pair"), "no longer all of its fields"),
    (made("object", {}, f"{HERE}:Pair"), "KeyError: 'left'"),
    (made("object", {}, f"{HERE}:Row"), "not a class whose objects are stored"),
    (made("object", {}, f"{HERE}:task"), "not a class whose objects are stored"),
    (made("object", {}, f"{HERE}:Outer"), "not a class whose objects are stored"),
    (made("object", {}, f"{HERE}:NoSuch"), "there is no 'NoSuch' in the module"),
    (made("object", {}, "no_such_module:X"), "there is no module 'no_such_module'"),
    (made("object", {}, "X"), "not of the form"),
    (made("object", {}, "x" * 100_000), "not of the form"),
    (made("object", {}), "KeyError: 'class'"),
    ({"$": "object", "class": 1, "v": {}}, "the name of a class is a str"),
    *(
        (made(tag, content, name), "")
        for tag in ("enum", "object")
        for content in ("id", {"args": "id", "__class__": "x", "__dict__": {}, "__init__": 1})
        for name in (
            "os:system",
            "subprocess:Popen",
            "builtins:eval",
            "builtins:object",
            "builtins:Exception",
        )
    ),
    (made("object", {}, "antigravity:x"), "no class in that module"),
    (made("object", {}, "unittest.__main__:x"), "no class in that module"),
]


@pytest.mark.parametrize(("document", "words"), DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_data_is_refused_with_a_reason(document: Any, words: str) -> None:
    """Alone and inside of others, as a value and as an argument, in a short message."""
    for data in (document, [document], {"a": document}, made("tuple", [document])):
        with nothing_runs(), pytest.raises(CorruptData) as caught:
            loads(json.dumps(data, separators=(",", ":")).encode())
        assert words in str(caught.value)
        assert len(str(caught.value)) < 1000
        assert isinstance(caught.value, TaskError)
        assert isinstance(caught.value, ValueError)
    with nothing_runs(), pytest.raises(CorruptData):
        load_call(json.dumps([[document], {}], separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"nope", b"NaN", b"[1e999]", b"\xff", b'"\xff"', b"1 2", b"9" * 5000, b"[" * 100_000],
    ids=range(10),
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    """However deep or long it is."""
    with pytest.raises(CorruptData):
        loads(data)


@pytest.mark.parametrize("tag", ["tuple", "set", "dict", "object"])
def test_tags_nested_too_deeply_are_refused(tag: str) -> None:
    """Without a crash."""
    for depth in (400, 5000):
        data = f'{{"$":"{tag}","class":"{HERE}:Box","v":'.encode() * depth + b"1" + b"}" * depth
        with pytest.raises(CorruptData):
            loads(data)


def test_attributes_that_are_more_than_data_cannot_be_set() -> None:
    """A stored state fills the object's own dict and slots, and can change nothing about its class."""
    state = {"x": 1, "y": 2, "seen": [], "__class__": "Row", "__dict__": {}, "__post_init__": 1}
    point = loads(json.dumps(made("object", state, f"{HERE}:Point"), separators=(",", ":")).encode())
    assert type(point) is samples.Point
    assert point.x == 1
    assert samples.Point(3, 4).length == 5


def load_anything(data: bytes) -> None:
    for load in (loads, load_call):
        try:
            with nothing_runs():
                load(data)
        except CorruptData:
            pass


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    """There is no third way."""
    load_anything(data)


WRITTEN = [dumps(value) for value in VALUES if type(value) is not int]


PLACES = st.integers(min_value=0, max_value=10_000)


@given(st.sampled_from(WRITTEN), PLACES, st.integers(min_value=0, max_value=40), st.binary(max_size=3))
def test_mutated_documents_are_refused_or_read(data: bytes, start: int, length: int, put: bytes) -> None:
    """With a piece of one replaced by other bytes."""
    start %= len(data)
    load_anything(data[:start] + put + data[start + length :])


TAGS = st.sampled_from([*READERS, "tuple", "set", "frozenset", "dict", "object", "enum"])
CLASSES = st.sampled_from(
    [f"{HERE}:{name}" for name in vars(samples) if name.isidentifier()]
    + ["builtins:type", "builtins:print", "os:system", "http:HTTPStatus", "typing:NamedTuple", "enum:Flag"]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(["x", "y", "content", "left", "right", "n", "order_id", "when", "tags", "__class__"])
HOSTILE = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.fixed_dictionaries({"$": TAGS, "class": CLASSES, "v": inner})
    ),
    max_leaves=12,
)


@given(HOSTILE)
def test_documents_of_an_enemy_are_refused_or_read(document: Any) -> None:
    """All tags, all classes and all contents in any combination."""
    load_anything(msgspec.json.encode(document))
