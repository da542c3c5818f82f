"""Server-sent events: their form, and streams of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.http import sse
from hypern.http.application import WebApp
from hypern.http.sse import SSEEvent


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SSEEvent("x"), "data: x\n\n"),
        (SSEEvent({"a": 1}, id="7", event="e", retry=50), 'id: 7\nevent: e\nretry: 50\ndata: {"a":1}\n\n'),
        (SSEEvent("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (SSEEvent("a\u2028b\x0bc"), "data: a\u2028b\x0bc\n\n"),
        (SSEEvent(""), "data: \n\n"),
        (SSEEvent.comment("hello\nthere"), ": hello\n: there\n\n"),
    ],
)
def test_the_form_of_an_event(event: SSEEvent, expected: str) -> None:
    """Each line of data is one of the event; only CR and LF end lines."""
    assert event.format() == expected
    assert event.to_bytes() == expected.encode()


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b"])
def test_an_event_cannot_be_forged(bad: str) -> None:
    """Ids, names and times are one line."""
    with pytest.raises(ValueError):
        SSEEvent("x", retry=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one line"):
        SSEEvent("x", id=bad)
    with pytest.raises(ValueError, match="one line"):
        SSEEvent("x", event=bad)


def test_a_stream_of_either_kind() -> None:
    """Lists, generators and async generators; data of any kind or ready events."""
    app = WebApp()

    async def from_loop() -> AsyncIterator[Any]:
        yield 1
        yield SSEEvent("two", event="e")

    def from_thread() -> Iterator[Any]:
        assert threading.current_thread().name.startswith("hypern-handler")
        yield {"n": 1}

    app.get("/async")(lambda req, res, ctx: res.sse(from_loop()))
    app.get("/plain")(lambda req, res, ctx: res.sse(from_thread()))
    app.get("/list")(lambda req, res, ctx: res.sse_stream(["a", "b"]))
    client = TestClient(app)
    reply = client.get("/async")
    assert reply.text == "data: 1\n\nevent: e\ndata: two\n\n"
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "no-cache" in reply.headers["cache-control"]
    assert "content-length" not in reply.headers
    assert client.get("/plain").text == 'data: {"n":1}\n\n'
    assert client.get("/list").text == "data: a\n\ndata: b\n\n"
    assert client.head("/list").content == b""


@pytest.mark.parametrize("events", ["text", b"bytes", 3, None])
def test_what_is_no_stream_is_refused(events: Any) -> None:
    """At the call, where the mistake is."""
    from hypern.http.response import Response

    with pytest.raises(TypeError):
        Response().sse(events)


def test_a_stream_that_fails_ends_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What came before the error is delivered."""
    app = WebApp()

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    app.get("/")(lambda req, res, ctx: res.sse(failing()))
    assert TestClient(app).get("/").text == "data: 1\n\n"
    assert "broken" in caplog.text


class Client:
    """One ASGI request whose answers can be waited for, and which can leave."""

    def __init__(self, app: WebApp, path: str = "/") -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.gone = asyncio.Event()
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
        }
        self.request = asyncio.ensure_future(app(scope, self._receive, self.sent.put))

    async def _receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def next(self) -> Any:
        return await asyncio.wait_for(self.sent.get(), 20)


def test_the_generator_is_closed_when_the_client_leaves() -> None:
    """An async one at once, a plain one after the step that it is at; its `finally` runs."""
    app = WebApp()
    closed = threading.Semaphore(0)
    gate = threading.Event()

    async def from_loop() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.release()

    def from_thread() -> Iterator[int]:
        try:
            yield 1
            gate.wait(20)
            yield 2
        finally:
            closed.release()

    app.get("/async")(lambda req, res, ctx: res.sse(from_loop()))
    app.get("/plain")(lambda req, res, ctx: res.sse(from_thread()))

    async def main() -> None:
        for path in ("/async", "/plain"):
            client = Client(app, path)
            assert (await client.next())["status"] == 200
            assert (await client.next())["body"] == b"data: 1\n\n"
            client.gone.set()
            await asyncio.wait_for(client.request, 20)
            gate.set()
            assert await asyncio.to_thread(closed.acquire, timeout=20)

    asyncio.run(main())


def test_streams_end_when_the_server_stops() -> None:
    """Those that run, and one that begins while it is stopping."""
    app = WebApp()

    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    app.get("/")(lambda req, res, ctx: res.sse(endless()))

    async def main() -> None:
        await app.startup()
        running = Client(app)
        await running.next()
        await running.next()
        app.end_streams()
        await asyncio.wait_for(running.request, 20)
        await asyncio.wait_for(Client(app).request, 20)
        await app.startup()

    asyncio.run(main())


def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that proxies keep the connection open."""
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.001)
    app = WebApp()

    async def silent() -> AsyncIterator[int]:
        await asyncio.Event().wait()
        yield 1

    app.get("/")(lambda req, res, ctx: res.sse(silent()))

    async def main() -> None:
        client = Client(app)
        await client.next()
        assert (await client.next())["body"] == b": keep-alive\n\n"
        client.gone.set()
        await asyncio.wait_for(client.request, 20)

    asyncio.run(main())


def test_a_request_that_is_cancelled_closes_its_stream() -> None:
    """Some servers tell of a client that has left in this way only."""
    app = WebApp()
    closed = threading.Semaphore(0)

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.release()

    app.get("/")(lambda req, res, ctx: res.sse(endless()))

    async def cancel() -> bool:
        client = Client(app)
        await client.next()
        await client.next()
        client.request.cancel()
        await asyncio.wait({client.request})
        return client.request.cancelled() and closed.acquire(blocking=False)

    assert asyncio.run(cancel())


def test_an_end_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client has got everything, and an end to it."""
    app = WebApp()

    class Failing:
        def __init__(self) -> None:
            self.left = [1]

        def __aiter__(self) -> Failing:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

        async def aclose(self) -> None:
            raise ValueError("broken end")

    app.get("/")(lambda req, res, ctx: res.sse(Failing()))
    assert TestClient(app).get("/").text == "data: 1\n\n"
    assert "broken end" in caplog.text
