"""Errors: which answer they become, and what is logged."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.errors import Conflict, HTTPException, MethodNotAllowed, NotFound, ServiceUnavailable
from hypern.http.application import WebApp
from hypern.http.middleware import Cors


def app_raising(error: BaseException, **settings: Any) -> WebApp:
    app = WebApp(**settings)

    @app.get("/plain")
    def plain(req: Any, res: Any, ctx: Any) -> None:
        res.header("X-Left", "behind").json({"half": "done"})
        raise error

    @app.get("/async")
    async def asynchronous(req: Any, res: Any, ctx: Any) -> None:
        res.header("X-Left", "behind").json({"half": "done"})
        raise error

    return app


BOTH = pytest.mark.parametrize("path", ["/plain", "/async"])


@BOTH
def test_an_http_exception_is_its_envelope(path: str) -> None:
    """Status, message, data and headers are the exception's; what the handler had set is gone."""
    error = Conflict("Taken.", data={"id": 7}, headers={"Retry-After": "5"})
    reply = TestClient(app_raising(error)).get(path)
    assert reply.status_code == 409
    assert reply.json() == {"error": True, "status_code": 409, "message": "Taken.", "data": {"id": 7}}
    assert reply.headers["retry-after"] == "5"
    assert "x-left" not in reply.headers


@BOTH
def test_an_unexpected_error_says_nothing_outside(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a bare 500; the log gets the traceback with method and path."""
    reply = TestClient(app_raising(ValueError("secret"))).get(path)
    assert reply.json() == {"error": True, "status_code": 500, "message": "Internal Server Error"}
    assert "x-left" not in reply.headers
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("hypern.http", logging.ERROR)
    assert record.getMessage() == f"GET {path} failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_debug_shows_the_traceback() -> None:
    """With `debug=True` the answer tells the developer what happened."""
    reply = TestClient(app_raising(ValueError("the cause"), debug=True)).get("/plain")
    assert reply.json()["message"] == "ValueError: the cause"
    assert any("raise error" in line for line in reply.json()["data"]["traceback"])


@BOTH
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_leaving_the_program_is_an_error_like_others(
    path: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """`sys.exit()` in a handler does not end the server."""
    assert TestClient(app_raising(error)).get(path).status_code == 500
    assert len(caplog.records) == 1


def test_a_cancellation_that_nobody_asked_for_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Awaiting something cancelled fails the request and no more."""
    import asyncio

    assert TestClient(app_raising(asyncio.CancelledError())).get("/async").status_code == 500


def test_what_cannot_be_json_is_an_error_that_does_not_leak(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the type, the client learns nothing."""
    app = WebApp()
    app.get("/")(lambda req, res, ctx: res.json({"a": object()}))
    reply = TestClient(app).get("/")
    assert reply.json()["message"] == "Internal Server Error"
    assert "a value of type object" in caplog.text


def test_control_characters_cannot_forge_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks and escape sequences in a path are logged as text."""
    app = WebApp()

    @app.get("/:name")
    def fail(req: Any, res: Any, ctx: Any) -> None:
        raise ValueError

    TestClient(app).get("/a%0aERROR%20forged%1b%5b31m")
    assert caplog.records[0].getMessage() == r"GET /a\nERROR forged\x1b[31m failed"


def test_not_found_and_method_not_allowed_can_be_overridden() -> None:
    """They come by the same way as a handler's own errors."""
    app = WebApp()
    app.get("/here")(lambda req, res, ctx: "here")

    @app.errorhandler(NotFound)
    def not_found(req: Any, res: Any, error: NotFound) -> None:
        res.html(f"<h1>{error.status_code}</h1>")

    @app.errorhandler(MethodNotAllowed)
    async def not_allowed(req: Any, res: Any, error: MethodNotAllowed) -> dict[str, str]:
        return {"allow": error.headers["Allow"]}

    client = TestClient(app)
    reply = client.get("/nowhere")
    assert (reply.status_code, reply.text) == (404, "<h1>404</h1>")
    reply = client.put("/here")
    assert (reply.status_code, reply.json()) == (405, {"allow": "GET, HEAD, OPTIONS"})


def test_a_handler_for_every_error() -> None:
    """One for Exception answers unexpected errors and HTTP ones alike, with a status of its choice."""
    app = app_raising(ValueError("x"))

    @app.errorhandler(Exception)
    def everything(req: Any, res: Any, error: Exception) -> None:
        res.status(418).json({"kind": type(error).__name__})

    client = TestClient(app)
    assert (client.get("/plain").status_code, client.get("/plain").json()) == (418, {"kind": "ValueError"})
    assert client.get("/nowhere").json() == {"kind": "NotFound"}


def test_an_error_handler_starts_from_500() -> None:
    """Without a status of its own an unexpected error stays one."""
    app = app_raising(ValueError("x"))
    app.register_error_handler(ValueError, lambda req, res, error: res.json({"handled": True}))
    reply = TestClient(app).get("/async")
    assert (reply.status_code, reply.json()) == (500, {"handled": True})


def test_an_error_handler_that_fails_is_logged_with_the_first_error(caplog: pytest.LogCaptureFixture) -> None:
    """Both tracebacks are there; the client gets a bare 500."""
    app = app_raising(ValueError("first"))

    @app.errorhandler(ValueError)
    def broken(req: Any, res: Any, error: ValueError) -> None:
        raise KeyError("second")

    assert TestClient(app).get("/plain").json()["message"] == "Internal Server Error"
    assert "first" in caplog.text
    assert "second" in caplog.text


def test_an_error_handler_may_raise_an_answer() -> None:
    """Translating one's own errors into HTTP ones is one line."""
    app = app_raising(ValueError("first"))

    @app.errorhandler(ValueError)
    def translate(req: Any, res: Any, error: ValueError) -> None:
        raise ServiceUnavailable("Later.") from error

    assert TestClient(app).get("/plain").json()["message"] == "Later."


def test_default_handlers_give_way_to_the_programs_own() -> None:
    """What a subclass answers by default, a user can answer differently."""
    app = app_raising(LookupError("x"))
    app._default_error_handlers[LookupError] = lambda req, res, error: res.status(503).text("default")
    client = TestClient(app)
    assert (client.get("/plain").status_code, client.get("/plain").text) == (503, "default")
    app.register_error_handler(LookupError, lambda req, res, error: res.status(400).text("own"))
    assert client.get("/plain").text == "own"


def test_any_status_can_be_raised() -> None:
    """The base class takes the status; its phrase is the message unless one is given."""
    reply = TestClient(app_raising(HTTPException(418))).get("/plain")
    assert reply.json() == {"error": True, "status_code": 418, "message": "I'm a Teapot"}


def test_middlewares_see_expected_errors_as_answers_and_others_as_errors() -> None:
    """After `await next()` a 404 is a status; an accident is an exception, to be caught or not."""
    seen: list[Any] = []
    app = WebApp()

    async def outer(req: Any, res: Any, ctx: Any, next: Any) -> None:
        res.header("X-Outer", "kept")
        try:
            await next()
        except Exception as error:
            seen.append(type(error).__name__)
            raise
        seen.append(res.status_code)

    async def inner(req: Any, res: Any, ctx: Any, next: Any) -> None:
        if req.path == "/refused":
            raise Conflict("By a middleware.")
        await next()

    app.use(outer)
    app.use(inner)

    @app.get("/accident")
    def accident(req: Any, res: Any, ctx: Any) -> None:
        res.header("X-Left", "behind")
        raise ValueError

    client = TestClient(app)
    replies = [client.get(path) for path in ("/nowhere", "/refused", "/accident")]
    assert seen == [404, 409, "ValueError"]
    assert [reply.status_code for reply in replies] == [404, 409, 500]
    assert all(reply.headers["x-outer"] == "kept" for reply in replies)
    assert "x-left" not in replies[2].headers


def test_an_answer_that_a_middleware_had_begun_gives_way_to_its_error() -> None:
    """Status, type and body of the error are its own; other headers stay."""
    app = WebApp()

    async def begun(req: Any, res: Any, ctx: Any, next: Any) -> None:
        res.status(202).type("csv").header("X-Begun", "1").text("a,b")
        raise Conflict("After all.")

    app.use(begun)
    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.json()["message"]) == (409, "After all.")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-begun"] == "1"


def test_a_middleware_can_answer_an_accident() -> None:
    """Catching what `await next()` raises and answering is enough."""
    app = app_raising(ValueError("x"))

    async def boundary(req: Any, res: Any, ctx: Any, next: Any) -> None:
        try:
            await next()
        except ValueError:
            res.status(422).json({"caught": True})

    app.use(boundary)
    reply = TestClient(app).get("/plain")
    assert (reply.status_code, reply.json()) == (422, {"caught": True})


def test_an_error_whose_text_fails_is_still_answered() -> None:
    """Even where `str(error)` raises, and with debug on."""

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    for debug in (False, True):
        assert TestClient(app_raising(UnspeakableError(), debug=debug)).get("/plain").status_code == 500


@pytest.mark.parametrize(
    "settings", [{"data": object()}, {"detail": "\ud800"}, {"headers": {"X-A": "a\r\nb"}}]
)
def test_an_http_exception_that_cannot_be_sent_is_a_bare_500(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what is wrong with it."""
    reply = TestClient(app_raising(Conflict(**settings))).get("/plain")
    assert reply.json() == {"error": True, "status_code": 500, "message": "Internal Server Error"}
    assert "failed in an error's answer" in caplog.text


def test_deep_recursion_is_an_error_like_others() -> None:
    """A handler that calls itself for ever fails alone."""
    app = WebApp()

    @app.get("/")
    def endless(req: Any, res: Any, ctx: Any) -> Any:
        return endless(req, res, ctx)

    assert TestClient(app).get("/").status_code == 500
    assert sys.getrecursionlimit() >= 1000


def test_an_error_handler_may_be_async_behind_a_plain_function() -> None:
    """What it returns is awaited, as a handler's is."""
    app = app_raising(ZeroDivisionError())

    async def answers(req: Any, res: Any, error: Any) -> None:
        res.status(422).text("told")

    app.register_error_handler(ZeroDivisionError, lambda req, res, error: answers(req, res, error))
    reply = TestClient(app).get("/plain")
    assert (reply.status_code, reply.text) == (422, "told")


@pytest.mark.parametrize("second", [Conflict("translated"), ValueError("broken")])
def test_headers_of_middlewares_stay_when_an_error_handler_fails(second: Exception) -> None:
    """Also where it raises another answer: a page of another origin has to be able to read it."""
    app = app_raising(ZeroDivisionError())
    app.use(Cors(["https://page.example"]))

    @app.errorhandler(ZeroDivisionError)
    def translate(req: Any, res: Any, error: Any) -> None:
        res.header("X-Half", "done")
        raise second

    reply = TestClient(app).get("/plain", headers={"Origin": "https://page.example"})
    assert reply.status_code in (409, 500)
    assert reply.headers["access-control-allow-origin"] == "https://page.example"
    assert "x-half" not in reply.headers
