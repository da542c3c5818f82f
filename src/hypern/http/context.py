"""`ctx`: what the middlewares and the handler of one request tell each other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from time import perf_counter
from typing import Any


class Context:
    """Values that live as long as the request.

    `ctx.set("user", u)`, `ctx["user"] = u` and `ctx.user = u` are the same; so are `ctx.get("user")`,
    `ctx["user"]` and `ctx.user`, and all three give None for what was never set.
    """

    __slots__ = ("_request_id", "_started", "_values")

    _request_id: str | None
    _started: float
    _values: dict[str, Any] | None

    def __init__(self) -> None:
        _set_started(self, perf_counter())

    def get(self, key: str, default: Any = None) -> Any:
        values = self._values
        return default if values is None else values.get(key, default)

    def set(self, key: str, value: Any) -> Context:
        values = self._values
        if values is None:
            _set_values(self, {key: value})
        else:
            values[key] = value
        return self

    def has(self, key: str) -> bool:
        return key in (self._values or ())

    def remove(self, key: str) -> Context:
        """Forget the value; nothing happens if there is none."""
        if self._values:
            self._values.pop(key, None)
        return self

    def keys(self) -> list[str]:
        return list(self._values or ())

    def to_dict(self) -> dict[str, Any]:
        """A copy of the values."""
        return dict(self._values or ())

    @property
    def request_id(self) -> str:
        """The request's id: as the RequestId middleware set it, else made when first asked for."""
        if (known := self._request_id) is None:
            known = self.request_id = uuid.uuid4().hex
        return known

    @request_id.setter
    def request_id(self, value: str) -> None:
        _set_request_id(self, value)

    def elapsed(self) -> float:
        """Seconds since the request came in."""
        return perf_counter() - self._started

    def elapsed_ms(self) -> float:
        """Milliseconds since the request came in."""
        return self.elapsed() * 1000.0

    __getitem__ = get
    __contains__ = has

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __delitem__(self, key: str) -> None:
        self.remove(key)

    def __getattr__(self, name: str) -> Any:
        # Also where an empty slot ends up: nothing is stored there until it is needed.
        if name in Context.__slots__:
            return None
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "request_id":
            object.__setattr__(self, name, value)
        elif hasattr(Context, name):
            raise AttributeError(f"ctx.{name} is a method of ctx; store the value under another name.")
        else:
            self.set(name, value)

    def __delattr__(self, name: str) -> None:
        self.remove(name)


_set_started = Context.__dict__["_started"].__set__
_set_values = Context.__dict__["_values"].__set__
_set_request_id = Context.__dict__["_request_id"].__set__
