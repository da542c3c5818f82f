"""Middlewares: how they are called, and those that come along."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.errors import ConfigurationError
from hypern.http import middleware as built_in
from hypern.http.application import WebApp
from hypern.http.middleware import Compression, Cors, RateLimit, RequestId, SecurityHeaders, Timeout
from hypern.http.response import Response


def app_with(*middlewares: Any) -> WebApp:
    app = WebApp()
    for middleware in middlewares:
        app.use(middleware)
    app.get("/")(lambda req, res, ctx: res.text("x" * 2000))
    app.get("/small")(lambda req, res, ctx: res.text("x"))
    app.get("/id")(lambda req, res, ctx: res.text(ctx.request_id))
    return app


def test_a_middleware_may_answer_by_itself() -> None:
    """Without `next()` the handler is not called."""

    async def closed(req: Any, res: Any, ctx: Any, next: Any) -> None:
        res.status(503).text("closed")

    reply = TestClient(app_with(closed)).get("/")
    assert (reply.status_code, reply.text) == (503, "closed")


def test_a_middleware_may_change_the_answer() -> None:
    """After `await next()` the answer is there, and not sent yet."""

    async def louder(req: Any, res: Any, ctx: Any, next: Any) -> None:
        await next()
        res.header("X-Status", res.status_code).text(res.body_so_far.decode().upper())

    reply = TestClient(app_with(louder)).get("/small")
    assert (reply.text, reply.headers["x-status"]) == ("X", "200")


def test_a_plain_middleware_runs_in_a_thread_before_the_rest() -> None:
    """It goes on if it called `next()`; if not, its answer stands."""
    seen: list[bool] = []

    def gate(req: Any, res: Any, ctx: Any, next: Any) -> None:
        seen.append(threading.current_thread().name.startswith("hypern-handler"))
        if req.query("key"):
            next()
        else:
            res.status(401).text("no key")

    client = TestClient(app_with(gate))
    assert client.get("/small").status_code == 401
    assert client.get("/small?key=1").text == "x"
    assert seen == [True, True]


def test_many_plain_middlewares_do_not_wait_for_each_other() -> None:
    """One thread is enough for a plain middleware and a plain handler."""

    def pass_on(req: Any, res: Any, ctx: Any, next: Any) -> None:
        next()

    app = WebApp(handler_threads=1)
    app.use(pass_on)
    app.use(pass_on)
    app.get("/")(lambda req, res, ctx: "through")
    assert TestClient(app).get("/").text == "through"


def test_next_can_be_called_once() -> None:
    """A second call is a mistake in the middleware, and is said to be."""
    caught: list[str] = []

    async def twice(req: Any, res: Any, ctx: Any, next: Any) -> None:
        await next()
        try:
            await next()
        except RuntimeError as error:
            caught.append(str(error))

    assert TestClient(app_with(twice)).get("/small").text == "x"
    assert "twice" in caught[0]


def test_values_reach_the_handler_by_ctx() -> None:
    """What a middleware sets, the handler gets."""

    async def user(req: Any, res: Any, ctx: Any, next: Any) -> None:
        ctx.set("user_id", "u1")
        await next()

    app = WebApp()
    app.use(user)
    app.get("/")(lambda req, res, ctx: {"user": ctx.get("user_id"), "other": ctx.get("other")})
    assert TestClient(app).get("/").json() == {"user": "u1", "other": None}


class TestCors:
    ORIGIN = "https://a.example"

    def preflight(self, app: WebApp, origin: str = ORIGIN, **headers: str) -> Any:
        return TestClient(app).options(
            "/", headers={"Origin": origin, "Access-Control-Request-Method": "PUT", **headers}
        )

    def test_a_preflight_is_answered(self) -> None:
        """With methods, headers and how long that holds, for paths without OPTIONS of their own."""
        app = app_with(Cors([self.ORIGIN], ["GET", "PUT"], ["X-A"], allow_credentials=True, max_age=7))
        reply = self.preflight(app)
        assert reply.status_code == 204
        assert reply.headers["access-control-allow-origin"] == self.ORIGIN
        assert reply.headers["access-control-allow-methods"] == "GET, PUT"
        assert reply.headers["access-control-allow-headers"] == "X-A"
        assert reply.headers["access-control-allow-credentials"] == "true"
        assert reply.headers["access-control-max-age"] == "7"
        assert "Origin" in reply.headers["vary"]

    def test_another_origin_gets_nothing(self) -> None:
        """Its preflight is refused; its simple request is answered without permission to read it."""
        app = app_with(Cors([self.ORIGIN]))
        for origin in ("https://b.example", "https://a.example.evil", "http://a.example", "null"):
            assert self.preflight(app, origin).status_code == 403
            reply = TestClient(app).get("/small", headers={"Origin": origin})
            assert "access-control-allow-origin" not in reply.headers
            assert reply.headers["vary"] == "Origin"

    def test_everybody_is_allowed_without_credentials(self) -> None:
        """`permissive` allows the headers that are asked for."""
        reply = self.preflight(app_with(Cors.permissive()), **{"Access-Control-Request-Headers": "X-A, X-B"})
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-headers"] == "X-A, X-B"

    def test_errors_can_be_read_by_the_page(self) -> None:
        """The headers are on 404, 413 and 500 too."""
        app = WebApp(max_body_size=1)
        app.use(Cors([self.ORIGIN], expose_headers=["X-E"]))
        app.post("/")(lambda req, res, ctx: 1 / 0)
        client = TestClient(app)
        for reply, status in (
            (client.get("/nowhere", headers={"Origin": self.ORIGIN}), 404),
            (client.post("/", headers={"Origin": self.ORIGIN}), 500),
            (client.post("/", headers={"Origin": self.ORIGIN}, content=b"xx"), 413),
        ):
            assert reply.status_code == status
            assert reply.headers["access-control-allow-origin"] == self.ORIGIN
            assert reply.headers["access-control-expose-headers"] == "X-E"

    def test_credentials_for_everybody_are_refused(self) -> None:
        """Such a setting would let any page act as the user."""
        with pytest.raises(ConfigurationError):
            Cors(allow_credentials=True)
        with pytest.raises(ConfigurationError, match="list"):
            Cors("https://a.example")


def test_security_headers() -> None:
    """Set on every answer; the handler's own win; HSTS over HTTPS only."""
    app = app_with(SecurityHeaders.strict())
    app.get("/framed")(lambda req, res, ctx: res.header("X-Frame-Options", "SAMEORIGIN").text("x"))
    client = TestClient(app)
    reply = client.get("/nowhere")
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-xss-protection"] == "0"
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert "strict-transport-security" not in reply.headers
    assert client.get("/framed").headers["x-frame-options"] == "SAMEORIGIN"
    secure = TestClient(app, base_url="https://test").get("/small")
    assert secure.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-123", True), ("a b", False), ("x" * 200, False), ("", False)]
)
def test_request_ids(sent: str, kept: bool) -> None:
    """A harmless one is kept, another replaced; handler and client see the same."""
    reply = TestClient(app_with(RequestId())).get("/id", headers={"X-Request-ID": sent})
    assert reply.text == reply.headers["x-request-id"]
    assert (reply.text == sent) is kept
    assert reply.text


def test_a_timeout_cancels_an_async_handler() -> None:
    """The client gets 504, the handler CancelledError."""
    import asyncio

    ended: list[str] = []
    app = WebApp()
    app.use(Timeout(0.01))

    @app.get("/")
    async def slow(req: Any, res: Any, ctx: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    reply = TestClient(app).get("/")
    assert (reply.status_code, ended) == (504, ["cancelled"])


def test_a_plain_handler_that_is_given_up_on_cannot_touch_the_answer() -> None:
    """What its thread does later goes nowhere."""
    gate, done = threading.Event(), threading.Event()
    app = WebApp()
    late: list[Any] = []

    async def hold(req: Any, res: Any, ctx: Any, next: Any) -> None:
        await next()
        gate.set()
        done.wait(20)
        late.append(res.status_code)

    app.use(hold)
    app.use(Timeout(0.01))

    @app.get("/")
    def slow(req: Any, res: Any, ctx: Any) -> None:
        gate.wait(20)
        res.status(200).header("X-Late", "1").text("late")
        done.set()

    reply = TestClient(app).get("/")
    assert (reply.status_code, late) == (504, [504])
    assert "x-late" not in reply.headers


def test_a_timeout_error_of_the_handler_is_its_own() -> None:
    """A TimeoutError that has nothing to do with the limit stays an accident."""
    app = WebApp()
    app.use(Timeout(60))

    @app.get("/")
    async def fail(req: Any, res: Any, ctx: Any) -> None:
        raise TimeoutError("of something else")

    assert TestClient(app).get("/").status_code == 500


def test_a_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many in a window that slides, 429 with Retry-After above, skipped paths uncounted."""
    now = 6000.0
    monkeypatch.setattr(built_in, "monotonic", lambda: now)
    app = app_with(RateLimit(max_requests=4, window_secs=60, skip_paths=["/id"]))
    client = TestClient(app)
    replies = [client.get("/small") for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200] * 4 + [429]
    assert [reply.headers.get("x-ratelimit-remaining") for reply in replies[:4]] == ["3", "2", "1", "0"]
    assert replies[4].headers["retry-after"] == "60"
    assert client.get("/id").status_code == 200
    now = 6090.0  # half of the four still count
    assert [client.get("/small").status_code for _ in range(3)] == [200, 200, 429]
    now = 6300.0
    assert client.get("/small").headers["x-ratelimit-remaining"] == "3"


def test_a_rate_limit_by_key() -> None:
    """Clients with different keys have counts of their own."""
    client = TestClient(app_with(RateLimit(max_requests=1, window_secs=3600, key_header="X-Key")))
    statuses = [client.get("/small", headers={"X-Key": key}).status_code for key in ("a", "b", "a")]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("settings", [{"max_requests": 0}, {"window_secs": 0}, {"window_secs": float("nan")}])
def test_an_impossible_rate_limit_is_refused(settings: dict[str, Any]) -> None:
    """When it is made, not when it is used."""
    with pytest.raises(ConfigurationError):
        RateLimit(**settings)
    with pytest.raises(ConfigurationError):
        Timeout(0)


@pytest.mark.parametrize(
    ("accept", "compressed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("*;q=0, gzip", True),
        ("*, gzip;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("br", False),
        ("", False),
    ],
)
def test_compression_for_clients_that_can(accept: str, compressed: bool) -> None:
    """Only those, and caches are told that it depends on them."""
    with (
        TestClient(app_with(Compression())) as client,
        client.stream("GET", "/", headers={"Accept-Encoding": accept}) as reply,
    ):
        raw = b"".join(reply.iter_raw())
    assert (reply.headers.get("content-encoding") == "gzip") is compressed
    assert (gzip.decompress(raw) if compressed else raw) == b"x" * 2000
    assert reply.headers["content-length"] == str(len(raw))
    assert reply.headers["vary"] == "Accept-Encoding"


def test_what_is_not_compressed() -> None:
    """Small bodies, pictures, and what is encoded already."""
    app = app_with(Compression())
    app.get("/png")(lambda req, res, ctx: res.type("png").body(b"x" * 2000))
    app.get("/done")(lambda req, res, ctx: res.header("Content-Encoding", "br").text("x" * 2000))
    app.get("/big")(lambda req, res, ctx: res.etag("v1").json(["x" * 100_000]))
    client = TestClient(app)
    assert "content-encoding" not in client.get("/small").headers
    assert "content-encoding" not in client.get("/png").headers
    with client.stream("GET", "/done") as reply:
        assert reply.headers["content-encoding"] == "br"
    reply = client.get("/big")
    assert (reply.headers["content-encoding"], reply.headers["etag"]) == ("gzip", 'W/"v1"')
    assert reply.json() == ["x" * 100_000]


def plainly(middleware: Any) -> Any:
    def inner(req: Any, res: Any, ctx: Any, next: Any) -> Any:
        return middleware(req, res, ctx, next)

    return inner


def test_an_async_middleware_behind_a_plain_function() -> None:
    """What it returns is awaited, and its `await next()` runs the rest, once."""
    calls: list[str] = []

    async def around(req: Any, res: Any, ctx: Any, next: Any) -> None:
        calls.append("before")
        await next()
        calls.append(f"after {res.status_code}")

    app = app_with(plainly(around))
    app.get("/calls")(lambda req, res, ctx: calls.append("handler") or res.status(201))
    assert TestClient(app).get("/calls").status_code == 201
    assert calls == ["before", "handler", "after 201"]


def test_a_plain_middleware_may_return_what_next_gives() -> None:
    """`return next()`, as one writes it elsewhere, goes on once."""
    app = app_with(lambda req, res, ctx, next: next())
    calls: list[int] = []
    app.get("/calls")(lambda req, res, ctx: calls.append(1))
    assert TestClient(app).get("/calls").status_code == 204
    assert calls == [1]


def test_headers_of_middlewares_stay_on_a_response_that_is_returned() -> None:
    """It was made without them; where both set one, its own wins, and cookies add up."""

    async def before(req: Any, res: Any, ctx: Any, next: Any) -> None:
        res.header("X-Both", "outer").cookie("outer", "1")
        await next()

    app = app_with(Cors(["https://page.example"]), before)

    @app.get("/returned")
    def handler(req: Any, res: Any, ctx: Any) -> Response:
        return Response().status(201).header("X-Both", "own").cookie("own", "1").json([])

    reply = TestClient(app).get("/returned", headers={"Origin": "https://page.example"})
    assert (reply.status_code, reply.json()) == (201, [])
    assert reply.headers["access-control-allow-origin"] == "https://page.example"
    assert reply.headers["x-both"] == "own"
    assert [line.partition(";")[0] for line in reply.headers.get_list("set-cookie")] == ["outer=1", "own=1"]


@pytest.mark.parametrize(
    "setting", ["allowed_origins", "allowed_methods", "allowed_headers", "expose_headers"]
)
def test_a_list_is_not_a_text(setting: str) -> None:
    """The letters of a text are no list of headers."""
    with pytest.raises(ConfigurationError, match=setting):
        Cors(**{setting: "X-Total"})  # type: ignore[arg-type]
