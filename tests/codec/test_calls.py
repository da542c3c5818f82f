"""The arguments of a task come back as what they were, or are refused by name."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codec.comparing import shape
from tests.codec.samples import Box, Colour, Row
from tests.codec.test_values import ANY

from hypern.codec.calls import dump_call, load_call, load_call_and_trail
from hypern.codec.plain import MAX_DEPTH
from hypern.errors import CorruptData, NotSerializable, TaskTooLarge

CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1, "a", None), {"x": [1.5]}),
    ((date(2026, 1, 2),), {}),
    ((), {"when": date(2026, 1, 2)}),
    (((1, 2), {"$": 1}), {"$": 1, "v": {2}}),
    ((), {"$": 1}),
    (tuple(range(100)), {str(n): n for n in range(100)}),
    ((Box(Colour.RED),), {"args": (), "kwargs": {}}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
def test_a_call_comes_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Arguments by place in a tuple, arguments by name in a dict."""
    assert shape(load_call(dump_call(args, kwargs))) == shape((args, kwargs))


@given(
    st.lists(ANY, max_size=3).map(tuple), st.dictionaries(st.sampled_from(["a", "$", "é"]), ANY, max_size=3)
)
def test_any_call_comes_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Whatever the arguments are."""
    assert shape(load_call(dump_call(args, kwargs, limit=10_000_000))) == shape((args, kwargs))


@pytest.mark.parametrize(
    ("args", "kwargs", "path"),
    [
        ((1, {"when": Row()}), {}, "args[1]['when']"),
        ((), {"a": 1, "x": Row()}, "kwargs['x']"),
        (((Row(),),), {}, "args[0][0]"),
        ((), {"x": {"y": float("nan")}}, "kwargs['x']['y']"),
    ],
)
def test_an_argument_that_cannot_be_stored_is_named(args: Any, kwargs: Any, path: str) -> None:
    """By its place or by its name."""
    with pytest.raises(NotSerializable) as caught:
        dump_call(args, kwargs)
    assert caught.value.path == path


def test_all_arguments_together_are_limited() -> None:
    """Half and half is as much as one whole."""
    with pytest.raises(TaskTooLarge):
        dump_call(("x" * 600,), {"y": "y" * 600}, limit=1000)
    with pytest.raises(TaskTooLarge):
        dump_call(("x" * 600, ()), {"y": "y" * 600}, limit=1000)


def test_an_argument_may_be_as_deep_as_a_result() -> None:
    """That it stands among others does not count; one more is too deep."""
    value: Any = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert load_call(dump_call((value,), {"x": value})) == ((value,), {"x": value})
    with pytest.raises(NotSerializable, match="nested"):
        dump_call(([value],), {})


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"[{},[]]", b"[[],[]]", b'[[],{"a":1},2]', b"[[],{},{},{}]", b'{"$":1}', b"1"],
)
def test_what_is_no_call_is_refused(data: bytes) -> None:
    """Values that are no arguments are damaged data."""
    with pytest.raises(CorruptData):
        load_call(data)


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
def test_a_trail_comes_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """It changes nothing of the arguments, and does not count among their bytes."""
    trail = {"traceparent": "00-1-2-01", "request_id": "r"}
    data = dump_call(args, kwargs, trail=trail)
    assert shape(load_call_and_trail(data)) == shape((args, kwargs, trail))
    assert shape(load_call(data)) == shape((args, kwargs))
    assert dump_call(("x" * 990,), {}, 1000, trail)


@pytest.mark.parametrize(
    ("found", "trail"),
    [
        (b"{}", None),
        (b'{"traceparent":1,"request_id":null}', None),
        (b'{"traceparent":"","baggage":"secret","request_id":["r"]}', None),
        (b'{"request_id":"' + b"r" * 513 + b'"}', None),
        ('{"request_id":"\u00e9"}'.encode(), None),
        (b'{"traceparent":"00-1-2-01","baggage":"secret"}', {"traceparent": "00-1-2-01"}),
    ],
)
def test_only_what_may_be_in_a_trail_is_taken(found: bytes, trail: dict[str, str] | None) -> None:
    """Whatever else stands there is left out, and harms neither the task nor its arguments."""
    assert load_call_and_trail(b"[[1],{}," + found + b"]") == ((1,), {}, trail)


def test_a_name_with_half_a_character() -> None:
    """The name of an argument that cannot be written is refused with its place, as a value is."""
    with pytest.raises(NotSerializable) as refused:
        dump_call((), {"half \ud800": 1})
    assert refused.value.path == "kwargs['half \\ud800']"
