"""Reading a request's body: bounded in size and in time."""

from __future__ import annotations

import asyncio
import math

from hypern.errors import BadRequest, HTTPException, PayloadTooLarge, RequestTimeout
from hypern.http.asgi import Receive, Scope

_CLOSE = {"Connection": "close"}


class BodyReader:
    """Reads bodies up to `max_size` bytes, each within `timeout` seconds."""

    def __init__(self, max_size: int, timeout: float) -> None:
        self._max_size = max_size
        self._timeout = timeout
        # One timer for all that are being read costs less than one for each.
        self._deadlines: dict[asyncio.Task[object], float] = {}
        self._watched: asyncio.AbstractEventLoop | None = None

    async def read(self, receive: Receive, expected: int | None) -> bytes:
        """The whole body. PayloadTooLarge, RequestTimeout, or BadRequest if it breaks off.

        The connection cannot be used on after any of them, and each says so in its headers.
        """
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._deadlines[task] = loop.time() + self._timeout
        if self._watched is not loop:
            self._watch(loop)
        try:
            return await self._collect(receive, expected)
        except asyncio.CancelledError:
            if self._deadlines.get(task) != -math.inf:
                raise
            task.uncancel()
            raise RequestTimeout(
                f"The request's body did not arrive within {self._timeout:g} s.", headers=_CLOSE
            ) from None
        finally:
            self._deadlines.pop(task, None)

    def expected_length(self, scope: Scope) -> int | None:
        """The length that the request announces; None if it does not say, as chunked ones do.

        PayloadTooLarge or BadRequest for a length that is too large or ambiguous, and BadRequest for a
        request with two Hosts, which two programs may understand as two different ones, too.
        """
        length: int | None = None
        is_chunked = has_host = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit() or length not in (None, int(value[:20])):
                    raise BadRequest("The Content-Length is not one whole number.", headers=_CLOSE)
                length = int(value[:20])
            elif name == b"transfer-encoding":
                is_chunked = True
            elif name == b"host":
                if has_host:
                    raise BadRequest("A request cannot have more than one Host.", headers=_CLOSE)
                has_host = True
        if is_chunked and length is not None:
            raise BadRequest(
                "A request cannot have both Content-Length and Transfer-Encoding.", headers=_CLOSE
            )
        if length is None:
            # HTTP/1 says it in the headers when there is a body; HTTP/2 need not.
            return None if is_chunked or scope.get("http_version") not in ("1.1", "1.0", "1") else 0
        if length > self._max_size:
            raise self._too_large()
        return length

    async def _collect(self, receive: Receive, expected: int | None) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BadRequest("The request's body broke off or was malformed.", headers=_CLOSE)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_size:
                raise self._too_large()
            chunks.append(chunk)
            # With the announced length there, waiting for the message that says so again is time lost.
            if size == expected or not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> HTTPException:
        return PayloadTooLarge(f"The request's body is larger than {self._max_size} bytes.", headers=_CLOSE)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, deadline in self._deadlines.items():
            if -math.inf < deadline <= now and task.get_loop() is loop:
                self._deadlines[task] = -math.inf
                task.cancel()
        self._watched = loop if self._deadlines else None
        if self._watched is not None:
            loop.call_later(min(1.0, self._timeout / 4), self._watch, loop)
