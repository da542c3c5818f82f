"""Handlers: which callables can be one, where they run, and what becomes of what they return."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.errors import RouteError
from hypern.http.application import WebApp


def where() -> str:
    """Whether this runs on an event loop's thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "thread"
    return "loop"


def plain(req: Any, res: Any, ctx: Any) -> None:
    res.text(where())


async def asynchronous(req: Any, res: Any, ctx: Any) -> None:
    res.text(where())


def with_extra(extra: str, req: Any, res: Any, ctx: Any) -> None:
    res.text(where() + extra)


async def async_with_extra(extra: str, req: Any, res: Any, ctx: Any) -> None:
    res.text(where() + extra)


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def undocumented(function: Any) -> Any:
    return lambda req, res, ctx: function(req, res, ctx)


class Plain:
    def __call__(self, req: Any, res: Any, ctx: Any) -> None:
        res.text(where())

    def method(self, req: Any, res: Any, ctx: Any) -> None:
        res.text(where())

    @staticmethod
    def static(req: Any, res: Any, ctx: Any) -> None:
        res.text(where())


class Async:
    async def __call__(self, req: Any, res: Any, ctx: Any) -> None:
        res.text(where())

    async def method(self, req: Any, res: Any, ctx: Any) -> None:
        res.text(where())


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (plain, "thread"),
        (asynchronous, "loop"),
        (functools.partial(with_extra, "!"), "thread!"),
        (functools.partial(async_with_extra, "!"), "loop!"),
        (Plain(), "thread"),
        (Async(), "loop"),
        (Plain().method, "thread"),
        (Async().method, "loop"),
        (Plain.static, "thread"),
        (decorated(plain), "thread"),
        (decorated(asynchronous), "loop"),
        (undocumented(asynchronous), "loop"),
        (lambda req, res, ctx: res.text(where()), "thread"),
        (lambda *everything: everything[1].text(where()), "thread"),
    ],
)
def test_every_kind_of_callable_runs_where_it_should(handler: Any, expected: str) -> None:
    """Plain callables run in a thread, async ones on the loop, however they are wrapped."""
    app = WebApp()
    app.add_route("GET", "/", handler)
    assert TestClient(app).get("/").text == expected


@pytest.mark.parametrize(
    "handler", [lambda: None, lambda req: None, lambda a, b, c, d: None, "handler", None, Plain, 3]
)
def test_a_handler_that_cannot_be_called_is_refused_when_registered(handler: Any) -> None:
    """The error shows the arguments that a handler gets."""
    with pytest.raises(RouteError, match=r"\(req, res, ctx\)"):
        WebApp().add_route("GET", "/", handler)


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, 2], 200, "application/json", b"[1,2]"),
        ((1, 2), 200, "application/json", b"[1,2]"),
        (0, 200, "application/json", b"0"),
        (False, 200, "application/json", b"false"),
        ("<p>é</p>", 200, "text/html; charset=utf-8", "<p>é</p>".encode()),
        ("", 200, "text/html; charset=utf-8", b""),
        (b"\x00\x01", 200, "application/octet-stream", b"\x00\x01"),
        (None, 204, None, b""),
    ],
)
def test_what_a_handler_returns_is_the_answer(
    value: Any, status: int, content_type: str | None, body: bytes
) -> None:
    """Text is HTML, bytes are bytes, None is an empty answer, the rest is JSON."""
    app = WebApp()
    app.add_route("GET", "/", lambda req, res, ctx: value)
    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.headers.get("content-type"), reply.content) == (
        status,
        content_type,
        body,
    )


def test_what_was_answered_wins_over_what_is_returned() -> None:
    """A returned value does not replace a body that has been set."""
    app = WebApp()

    @app.get("/")
    def handler(req: Any, res: Any, ctx: Any) -> str:
        res.json({"answered": True})
        return "ignored"

    assert TestClient(app).get("/").json() == {"answered": True}


def test_a_status_goes_with_a_returned_value() -> None:
    """`res.status(201)` and a returned value make one answer."""
    app = WebApp()

    @app.get("/")
    async def handler(req: Any, res: Any, ctx: Any) -> dict[str, int]:
        res.status(201)
        return {"id": 7}

    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.json()) == (201, {"id": 7})


def test_a_status_alone_has_an_empty_body() -> None:
    """No body is made up for a status."""
    app = WebApp()
    app.add_route("GET", "/", lambda req, res, ctx: res.status(202))
    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (202, b"", "0")


def test_a_thread_sees_the_context_variables_of_the_request() -> None:
    """What a middleware sets, a plain handler reads; what the handler sets stays in its request."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    app = WebApp()

    async def middleware(req: Any, res: Any, ctx: Any, next: Any) -> None:
        variable.set(req.query("set", variable.get()))
        await next()

    app.use(middleware)

    @app.get("/")
    def handler(req: Any, res: Any, ctx: Any) -> str:
        seen = variable.get()
        variable.set("left behind")
        return seen

    client = TestClient(app)
    assert client.get("/?set=mine").text == "mine"
    assert client.get("/").text == "unset"


def test_plain_handlers_run_side_by_side() -> None:
    """As many as `handler_threads` allows meet at a barrier."""
    app = WebApp(handler_threads=3)
    barrier = threading.Barrier(3, timeout=20)

    @app.get("/")
    def handler(req: Any, res: Any, ctx: Any) -> str:
        barrier.wait()
        return "met"

    async def ask() -> list[str]:
        import httpx2

        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://test"
        ) as client:
            replies = await asyncio.gather(*(client.get("/") for _ in range(3)))
        return [reply.text for reply in replies]

    assert asyncio.run(ask()) == ["met"] * 3
