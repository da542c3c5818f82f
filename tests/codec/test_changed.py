"""Classes may change while their objects are stored."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.codec import samples

from hypern.codec.classes import find_class
from hypern.codec.values import dumps, loads
from hypern.errors import CorruptData


def changed(monkeypatch: pytest.MonkeyPatch, old: type, new: type) -> None:
    """From now on the name of the old class leads to the new one, as in the process after a deployment."""
    monkeypatch.setattr(samples, old.__name__, new)
    find_class.cache_clear()


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    find_class.cache_clear()


def box_with_more() -> Any:
    box = samples.Box(1)
    box.more = 2  # type: ignore[attr-defined]
    return box


@dataclasses.dataclass
class WiderBox:
    content: Any
    label: str = "none"
    notes: list[str] = dataclasses.field(default_factory=lambda: ["new"])
    later: int = dataclasses.field(init=False)


@dataclasses.dataclass(slots=True)
class SlottedBox:
    content: Any
    label: str = "none"


@dataclasses.dataclass
class NeedyBox:
    content: Any
    needed: int


class WiderStruct(msgspec.Struct):
    content: Any
    label: str = "none"


class WiderPair(NamedTuple):
    left: Any
    right: Any
    third: int = 3


class NarrowPair(NamedTuple):
    left: Any


class FewerColours(enum.Enum):
    GREEN = 1


@pytest.mark.parametrize("new", [WiderBox, SlottedBox, WiderStruct])
def test_a_field_that_is_new_takes_its_default(new: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the class has become one of another kind."""
    data = dumps(samples.Box((1,)))
    changed(monkeypatch, samples.Box, new)
    back = loads(data)
    assert type(back) is new
    assert (back.content, back.label) == ((1,), "none")
    assert getattr(back, "notes", ["new"]) == ["new"]


def test_a_named_tuple_may_get_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """By fields that have defaults."""
    data = dumps(samples.Pair(1, 2))
    changed(monkeypatch, samples.Pair, WiderPair)
    assert loads(data) == (1, 2, 3)


@pytest.mark.parametrize(
    ("value", "new", "words"),
    [
        (samples.Box(1), NeedyBox, "'needed' that was not stored"),
        (samples.Box(1), FewerColours, "of another kind now"),
        (samples.Box(1), samples.Row, "not a class whose objects are stored"),
        (samples.Pair(1, 2), NarrowPair, "no longer all of its fields"),
        (samples.Colour.RED, FewerColours, "RED"),
        (box_with_more(), SlottedBox, "no attribute|must have __dict__"),
    ],
)
def test_what_does_not_fit_any_more_is_refused(
    value: Any, new: type, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason, instead of an object that is half of it."""
    data = dumps(value)
    changed(monkeypatch, type(value), new)
    with pytest.raises(CorruptData, match=words):
        loads(data)
