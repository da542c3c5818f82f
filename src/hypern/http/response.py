"""`res`: the answer, put together by the handler and sent when it has returned."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable
from typing import Any
from urllib.parse import quote

from hypern.errors import ConfigurationError, phrase
from hypern.http.answer import Answer
from hypern.http.asgi import Scope
from hypern.http.files import FileSource
from hypern.http.jsons import encode_json
from hypern.http.negotiate import full_media_type
from hypern.http.response_headers import HeaderCalls
from hypern.http.sse import EventSource

_JSON = b"application/json"
_HTML = b"text/html; charset=utf-8"
_TEXT = b"text/plain; charset=utf-8"
_XML = b"application/xml; charset=utf-8"
_BYTES = b"application/octet-stream"


class Response(HeaderCalls):
    """Every call returns the response, so that calls chain: `res.status(201).json(user)`.

    Nothing is sent before the handler and the middlewares have returned; until then a later call
    replaces what an earlier one set. A status without a body sends none; neither a status nor a body is
    a 204.
    """

    __slots__ = ()

    # The body

    def json(self, data: Any) -> Response:
        """`data` as JSON. TypeError or ValueError for what JSON cannot say; NaN becomes null."""
        self._body = encode_json(data)
        self._implied_type = _JSON
        self._source = None
        return self

    def text(self, text: str) -> Response:
        return self._set_body(str(text).encode("utf-8"), _TEXT)

    def html(self, html: str) -> Response:
        return self._set_body(str(html).encode("utf-8"), _HTML)

    def xml(self, xml: str) -> Response:
        return self._set_body(str(xml).encode("utf-8"), _XML)

    def body(self, data: bytes | bytearray | memoryview) -> Response:
        """Bytes as they are; `application/octet-stream` unless `type()` says otherwise."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"body() takes bytes, not {type(data).__name__}; use text(), html() or json().")
        return self._set_body(bytes(data), _BYTES)

    def body_str(self, text: str) -> Response:
        return self.text(text)

    def write(self, data: bytes | str) -> Response:
        """Add to the body."""
        if not isinstance(data, str | bytes | bytearray | memoryview):
            raise TypeError(f"write() takes text or bytes, not {type(data).__name__}.")
        more = data.encode("utf-8") if isinstance(data, str) else bytes(data)
        return self._set_body((self._body or b"") + more, self._implied_type or _BYTES)

    append_body = write

    def send(self, data: object) -> Response:
        """By kind: text is sent as HTML, bytes as they are, None as an empty body, anything else as JSON."""
        if data is self:
            return self
        if isinstance(data, str):
            return self.html(data)
        if isinstance(data, bytes | bytearray | memoryview):
            return self.body(data)
        if data is None:
            return self._set_body(b"", None)
        return self.json(data)

    def end(self, data: object = None) -> Response:
        """`send(data)` if there is data; else the answer is complete as it is, be it with an empty body."""
        if data is not None:
            return self.send(data)
        if not self.finished:
            self._set_body(b"", None)
        return self

    def finish(self) -> Response:
        return self.end()

    def status(self, code: int = 200) -> Response:
        """A status from 200 to 599."""
        if not 200 <= code <= 599:
            raise ValueError(f"the status {code!r} has to be from 200 to 599.")
        self._status = int(code)
        return self

    def send_status(self, code: int) -> Response:
        """The status, with its usual phrase as a text body."""
        return self.status(code).text(phrase(code))

    def redirect(self, url: str, status: int = 302) -> Response:
        """Send the client to `url`. Never give it a URL from the request unchecked."""
        if not 300 <= status <= 399:
            raise ValueError(f"the status {status!r} of a redirect has to be from 300 to 399.")
        return self.location(url).status(status)._set_body(b"", None)

    def accepted(self, task_id: str, *, location: str | None = None, retry_after: int = 1) -> Response:
        """202: a task will do it. `Location`, where its status is to be seen: its place in the app's
        `TaskRoutes`, unless given. `retry_after`: seconds after which to look there. The body is JSON: `id`,
        `status`, `url`. ConfigurationError if the place is not known."""
        url = _place(self.scope, task_id) if location is None else location
        self.status(202).location(url).header("Retry-After", int(retry_after))
        return self.json({"id": task_id, "status": "pending", "url": self.get("Location")})

    # Files and streams

    def send_file(
        self, path: str | os.PathLike[str], filename: str | None = None, content_type: str | None = None
    ) -> Response:
        """A file, with ETag and ranges. NotFound if there is no such file.

        `filename` makes the browser save it under that name. The path is yours to check: never join
        it from a request's parts without doing so, or use `app.static`.
        """
        if filename is not None:
            self.attachment(filename)
        if content_type is not None:
            self.type(content_type)
        return self._set_source(FileSource.of(path))

    def download(self, path: str | os.PathLike[str], filename: str | None = None) -> Response:
        """A file that the browser saves, under its own name unless another is given."""
        return self.send_file(path, filename or os.path.basename(os.fspath(path)))

    def sse(self, events: Iterable[Any] | AsyncIterable[Any]) -> Response:
        """A stream of server-sent events: each of `events` is an SSEEvent, or data for one.

        A plain iterable is stepped in a handler thread. It is closed when the client leaves or the
        server stops.
        """
        self.no_cache().header("X-Accel-Buffering", "no")
        return self._set_source(EventSource(events))

    sse_stream = sse

    # The type of the body

    def type(self, media_type: str) -> Response:
        """The body's type: whole (`text/csv`) or short (`csv`); text gets its charset, UTF-8."""
        full = full_media_type(media_type)
        if full.startswith("text/") and "charset" not in full:
            full += "; charset=utf-8"
        return self.header("Content-Type", full)

    content_type = type


def _place(scope: Scope | None, task_id: str) -> str:
    """Where the status of a task is to be seen. Raises ConfigurationError."""
    path = None if scope is None or "app" not in scope else scope["app"].path_of_tasks()
    place = None if path is None else path.replace(":task_id", quote(task_id, safe=":"))
    if place is None or "/:" in place:
        raise ConfigurationError(
            "res.accepted() does not know where the status of a task is to be seen: add "
            "app.use(TaskRoutes('/tasks')), at a path without parameters, or give location='/where/it/is'."
        )
    assert scope is not None
    return f"{scope.get('root_path', '').rstrip('/')}{place}"


def settle(res: Response, value: Any) -> None:
    """What a handler returned becomes the answer, unless it has answered already."""
    if value is not None and value is not res and not res.finished:
        if isinstance(value, Answer):
            res.follow(value)
        else:
            res.send(value)
