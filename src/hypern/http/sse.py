"""Server-sent events: one event's form, and the stream of them as an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from hypern.http.asgi import Receive
from hypern.http.cancelling import is_from_outside
from hypern.http.delivery import Delivery
from hypern.http.jsons import encode_json
from hypern.http.logs import log_error
from hypern.http.threads import HandlerThreads

KEEP_ALIVE_SECONDS = 15.0
"""After so long without an event a comment is sent, so that proxies keep the connection open."""

_END = object()
# A task that ends with one of these takes the event loop, and so the server, with it.
_ENDS_THE_LOOP = (SystemExit, KeyboardInterrupt)


class SSEEvent:
    """One event. `data`: text, or what JSON can say. `retry`: milliseconds until a lost client returns."""

    __slots__ = ("_comment", "data", "event", "id", "retry")

    def __init__(
        self, data: Any = None, id: str | None = None, event: str | None = None, retry: int | None = None
    ) -> None:
        for name, value in (("id", id), ("event", event), ("retry", retry)):
            if value is not None and ("\n" in str(value) or "\r" in str(value) or "\x00" in str(value)):
                raise ValueError(f"the {name} {str(value)[:100]!r} of an event has to be one line.")
        self.data = data
        self.id = id
        self.event = event
        self.retry = retry
        self._comment: str | None = None

    @classmethod
    def comment(cls, text: str) -> SSEEvent:
        """A line that clients ignore."""
        made = cls()
        made._comment = text
        return made

    def format(self) -> str:
        """The event as it is sent."""
        if self._comment is not None:
            return "".join(f": {line}\n" for line in _lines(self._comment)) + "\n"
        head = "".join(
            f"{name}: {value}\n"
            for name, value in (("id", self.id), ("event", self.event), ("retry", self.retry))
            if value is not None
        )
        data = self.data if isinstance(self.data, str) else encode_json(self.data).decode("utf-8")
        return head + "".join(f"data: {line}\n" for line in _lines(data)) + "\n"

    def to_bytes(self) -> bytes:
        return self.format().encode("utf-8")


def _lines(text: str) -> list[str]:
    # Only these three end a line in an event stream; str.splitlines knows more.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _to_bytes(item: Any) -> bytes:
    return (item if isinstance(item, SSEEvent) else SSEEvent(item)).to_bytes()


class EventSource:
    """Sends events as they come, until they end, the client leaves or the server stops."""

    __slots__ = ("_events",)

    def __init__(self, events: Iterable[Any] | AsyncIterable[Any]) -> None:
        if not isinstance(events, AsyncIterable) and (
            isinstance(events, str | bytes) or not _iterable(events)
        ):
            raise TypeError(
                f"sse() takes an iterable or async iterable of events, not {type(events).__name__}."
            )
        self._events = events

    async def deliver(self, to: Delivery) -> None:
        headers = [line for line in to.headers if line[0] != b"content-type"]
        headers.append((b"content-type", b"text/event-stream; charset=utf-8"))
        await to.send({"type": "http.response.start", "status": to.status, "headers": headers})
        events = _Steps(self._events, to.threads, to.scope["path"])
        try:
            if to.scope["method"] != "HEAD":
                await self._until_over(events, to)
        finally:
            await events.close()
        await to.send({"type": "http.response.body", "body": b""})

    async def _until_over(self, events: _Steps, to: Delivery) -> None:
        sending = asyncio.ensure_future(_send_all(events, to))
        leaving = asyncio.ensure_future(_disconnected(to.receive))
        to.streams.start(sending)
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.wait({sending, leaving})
            if not sending.cancelled() and (error := sending.exception()) is not None:
                _log_failure(to.scope["path"], error)


def _log_failure(path: str, error: BaseException) -> None:
    log_error(error, "a stream of events failed on %r", path)


async def _send_all(events: _Steps, to: Delivery) -> None:
    try:
        await _send_each(events, to)
    except _ENDS_THE_LOOP as error:
        raise RuntimeError("the stream tried to end the program") from error


async def _send_each(events: _Steps, to: Delivery) -> None:
    while True:
        following = events.next()
        while not (await asyncio.wait({following}, timeout=KEEP_ALIVE_SECONDS))[0]:
            await to.send({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})
        event = following.result()
        if event is _END:
            return
        await to.send({"type": "http.response.body", "body": _to_bytes(event), "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Steps:
    """Takes an iterable of either kind one step at a time."""

    def __init__(
        self, events: Iterable[Any] | AsyncIterable[Any], threads: HandlerThreads, path: str
    ) -> None:
        self._events = events
        self._threads = threads
        self._path = path
        self._async: AsyncIterator[Any] | None = None
        self._plain: Iterator[Any] | None = None
        self._pending: asyncio.Future[Any] | None = None

    def next(self) -> asyncio.Future[Any]:
        """The next event, or `_END`."""
        if isinstance(self._events, AsyncIterable):
            if self._async is None:
                self._async = aiter(self._events)
            self._pending = asyncio.ensure_future(_async_step(self._async))
        else:
            self._pending = self._threads.run(self._plain_step)
        return self._pending

    def _plain_step(self) -> Any:
        if self._plain is None:
            assert not isinstance(self._events, AsyncIterable)
            self._plain = iter(self._events)
        return next(self._plain, _END)

    async def close(self) -> None:
        """Let the iterable run its `finally`: at once, or after the step that a thread is at.

        What is raised there is logged: the client has got all that there was.
        """
        pending = self._pending
        if self._async is not None:
            if pending is not None and not pending.done():
                pending.cancel()
                await asyncio.wait({pending})
                if not pending.cancelled() and (error := pending.exception()) is not None:
                    _log_failure(self._path, error)
            await self._close_async()
        elif pending is not None and not pending.done():
            pending.add_done_callback(self._close_later)
        else:
            await self._threads.run(self._close_plain)

    async def _close_async(self) -> None:
        closing = getattr(self._async, "aclose", None)
        if closing is not None:
            try:
                await closing()
            except BaseException as error:
                if is_from_outside(error):
                    raise
                _log_failure(self._path, error)

    def _close_plain(self) -> None:
        closing = getattr(self._plain, "close", None)
        if closing is not None:
            try:
                closing()
            except BaseException as error:
                _log_failure(self._path, error)

    def _close_later(self, last_step: asyncio.Future[Any]) -> None:
        if not last_step.cancelled():
            last_step.exception()  # nobody else will ask, and asyncio would complain
        self._threads.run(self._close_plain)


async def _async_step(events: AsyncIterator[Any]) -> Any:
    try:
        return await anext(events, _END)
    except _ENDS_THE_LOOP as error:
        raise RuntimeError("the stream tried to end the program") from error


def _iterable(value: object) -> bool:
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True
