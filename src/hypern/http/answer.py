"""What an answer consists of, and how its parts are put together for sending."""

from __future__ import annotations

from typing import TypeVar

from hypern.http.asgi import Scope
from hypern.http.delivery import Source

A = TypeVar("A", bound="Answer")

WITHOUT_BODY = frozenset({204, 205, 304})
"""Statuses that are sent without a body, whatever the handler has set."""

_EMPTY_LENGTH = (b"content-length", b"0")
_SET_COOKIE = b"set-cookie"


class Answer:
    """The parts of an answer; `Response` adds the calls that set them."""

    __slots__ = ("_body", "_implied_type", "_lines", "_source", "_status", "_type", "headers_sent", "scope")

    def __init__(self) -> None:
        self._status: int | None = None
        self._body: bytes | None = None
        self._source: Source | None = None
        self._implied_type: bytes | None = None
        self._type: bytes | None = None
        self._lines: list[tuple[bytes, bytes]] | None = None
        self.headers_sent = False
        # Of the request that is answered; None: not known.
        self.scope: Scope | None = None

    @property
    def status_code(self) -> int:
        """The status as it would be sent now."""
        if self._status is not None:
            return self._status
        return 200 if self.finished else 204

    @property
    def finished(self) -> bool:
        """Whether there is a body: bytes, a file or a stream."""
        return self._body is not None or self._source is not None

    @property
    def body_so_far(self) -> bytes | None:
        """The body, None where there is none in memory: nothing set, a file or a stream."""
        return self._body

    @property
    def source(self) -> Source | None:
        """The file or stream, if the body is one."""
        return self._source

    def head(self, has_length: bool) -> list[tuple[bytes, bytes]]:
        """The header lines to send; with the length of the body in memory, if asked for."""
        status = self.status_code
        content_type = self._type or self._implied_type
        if status in WITHOUT_BODY:
            return list(self._lines or ())
        lines: list[tuple[bytes, bytes]] = []
        if content_type is not None:
            lines.append((b"content-type", content_type))
        if has_length:
            body = self._body
            lines.append((b"content-length", b"%d" % len(body)) if body else _EMPTY_LENGTH)
        if self._lines is not None:
            lines += self._lines
        return lines

    def payload(self) -> bytes:
        """The body to send: none for a status that has none."""
        return b"" if self._body is None or self._status in WITHOUT_BODY else self._body

    def branch(self: A) -> A:
        """A copy that can be filled, and then taken over or dropped, without touching this one."""
        copy = type(self)()
        copy.take(self)
        copy.scope = self.scope
        return copy

    def headers_only(self: A) -> A:
        """A new answer with the headers of this one, but not its status, type and body."""
        copy = type(self)()
        copy._lines = list(self._lines) if self._lines else None
        copy.scope = self.scope
        return copy

    def follow(self, other: Answer) -> None:
        """Become what `other` is, and keep the headers that it does not set: it was made without them."""
        set_there = {name for name, _ in other._lines or ()}
        kept = [line for line in self._lines or () if line[0] not in set_there or line[0] == _SET_COOKIE]
        self.take(other)
        self._lines = [*kept, *(self._lines or ())] or None

    def take(self, other: Answer) -> None:
        """Become what `other` is."""
        self._status = other._status
        self._body = other._body
        self._source = other._source
        self._implied_type = other._implied_type
        self._type = other._type
        self._lines = list(other._lines) if other._lines else None

    def replace_body(self, body: bytes) -> None:
        """Another form of the same body, as compression makes."""
        self._body = body

    def _set_body(self: A, body: bytes, implied_type: bytes | None) -> A:
        self._body = body
        self._implied_type = implied_type
        self._source = None
        return self

    def _set_source(self: A, source: Source) -> A:
        self._source = source
        self._body = None
        self._implied_type = None
        return self
