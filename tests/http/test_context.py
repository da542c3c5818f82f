"""`ctx`: the values of one request."""

from __future__ import annotations

import time

import pytest

from hypern.http.context import Context


def test_what_was_never_set_is_none() -> None:
    """All three ways of reading agree, and `get` takes a default."""
    ctx = Context()
    assert ctx.get("user") is None
    assert ctx["user"] is None
    assert ctx.user is None
    assert ctx.get("user", "nobody") == "nobody"
    assert not ctx.has("user")
    assert list(ctx) == []


def test_the_three_ways_of_writing_are_the_same() -> None:
    """Method, item and attribute reach one store."""
    ctx = Context().set("a", 1).set("b", 2)
    ctx["c"] = 3
    ctx.d = 4
    assert (ctx.a, ctx["b"], ctx.get("c"), ctx.get("d")) == (1, 2, 3, 4)
    assert ctx.keys() == ["a", "b", "c", "d"]
    assert ctx.to_dict() == dict(ctx) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert "a" in ctx
    assert ctx.remove("a").remove("a").has("a") is False
    del ctx["b"]
    del ctx.c
    assert ctx.keys() == ["d"]


def test_none_can_be_set() -> None:
    """A value of None is there, unlike none at all."""
    assert Context().set("user", None).has("user")


def test_a_method_cannot_be_overwritten() -> None:
    """An attribute that would hide a method is refused; the method and item ways take any name."""
    ctx = Context()
    with pytest.raises(AttributeError, match="another name"):
        ctx.get = 1  # type: ignore[method-assign,assignment]
    assert ctx.set("get", 1).get("get") == 1


def test_each_request_has_an_id() -> None:
    """It is made once, is another one for another request, and can be set."""
    one, other = Context(), Context()
    assert one.request_id == one.request_id != other.request_id
    one.request_id = "given"
    assert one.request_id == "given"
    assert one.keys() == []


def test_elapsed_counts_from_the_start() -> None:
    """In seconds, and the same in milliseconds."""
    ctx = Context()
    began = time.perf_counter()
    while ctx.elapsed() < 0.002:
        pass
    assert time.perf_counter() - began < 5
    assert ctx.elapsed_ms() > 2


def test_it_can_be_copied_and_shown() -> None:
    """Special methods that it lacks are not taken for values."""
    assert not hasattr(Context(), "__deepcopy__")
    assert "Context" in repr(Context())
