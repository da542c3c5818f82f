"""What a request sends, message by message, and what it leaves behind: nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from hypern.errors import NotFound
from hypern.http.application import WebApp


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only what nothing refers to goes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Receive:
    """A server's end of a request; as long as it lives, so does the connection."""

    async def __call__(self) -> Any:
        return {"type": "http.disconnect"}


def scope_of(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-length", b"5")] if method == "POST" else [],
        "http_version": "1.1",
        "scheme": "http",
    }


async def pass_on(req: Any, res: Any, ctx: Any, next: Any) -> None:
    await next()


def not_found(req: Any, res: Any, ctx: Any) -> None:
    raise NotFound


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("with_middleware", [False, True])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/plain"),
        ("GET", "/async"),
        ("GET", "/accident"),
        ("GET", "/async-accident"),
        ("GET", "/expected"),
        ("GET", "/stop-iteration"),
        ("GET", "/events"),
        ("GET", "/nowhere"),
        ("PUT", "/plain"),
        ("GET", "/%ff"),
        ("POST", "/plain"),
    ],
)
def test_a_request_is_gone_when_it_is_answered(
    method: str, path: str, with_middleware: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No circle of references keeps it, and so its connection, until the garbage collector comes."""
    monkeypatch.setattr("hypern.http.logs.logger.disabled", True)  # pytest keeps what is logged
    app = WebApp()
    if with_middleware:
        app.use(pass_on)

    @app.get("/async")
    async def asynchronous(req: Any, res: Any, ctx: Any) -> None:
        res.text("x")

    @app.get("/async-accident")
    async def async_accident(req: Any, res: Any, ctx: Any) -> None:
        raise ValueError

    app.get("/plain")(lambda req, res, ctx: res.text("x"))
    app.post("/plain")(lambda req, res, ctx: res.text("x"))
    app.get("/events")(lambda req, res, ctx: res.sse(["a", "b"]))
    app.get("/accident")(lambda req, res, ctx: 1 / 0)
    app.get("/expected")(not_found)
    app.get("/stop-iteration")(lambda req, res, ctx: next(iter(())))

    async def send(message: Any) -> None:
        pass

    async def main() -> None:
        receive = Receive()
        gone = weakref.ref(receive)
        request = asyncio.ensure_future(app(scope_of(method, path), receive, send))
        await request
        del request, receive
        await asyncio.sleep(0)
        assert gone() is None

    asyncio.run(main())


@pytest.mark.parametrize(("method", "body"), [("GET", b"hello"), ("HEAD", b"")])
def test_an_answer_is_two_messages(method: str, body: bytes) -> None:
    """The head with the length, then the body, which HEAD does not have."""
    app = WebApp()
    app.get("/")(lambda req, res, ctx: res.text("hello"))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope_of(method, "/"), Receive(), send))
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"5")],
        },
        {"type": "http.response.body", "body": body},
    ]
