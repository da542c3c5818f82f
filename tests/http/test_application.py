"""The app as an ASGI application: settings, start and end, under every kind of server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from hypern.errors import ConfigurationError, RouteError
from hypern.http.application import WebApp


@pytest.mark.parametrize(
    "setting",
    [
        {"max_body_size": -1},
        {"max_body_size": 1.5},
        {"max_body_size": True},
        {"handler_threads": 0},
        {"handler_threads": "4"},
        {"request_timeout": 0},
        {"request_timeout": float("inf")},
        {"request_timeout": float("nan")},
        {"request_timeout": 10**400},
        {"request_grace_seconds": -0.5},
        {"request_grace_seconds": 1e308},
        {"max_form_parts": 0},
        {"debug": "false"},
        {"debug": None},
        {"trusted_proxies": "127.0.0.1"},
        {"trusted_proxies": b"x"},
        {"trusted_proxies": None},
        {"trusted_proxies": [7]},
        {"trusted_proxies": ["proxy.example"]},
    ],
)
def test_an_impossible_setting_is_named_at_once(setting: dict[str, Any]) -> None:
    """At construction, by its name."""
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        WebApp(**setting)


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt keyword is not passed over."""
    with pytest.raises(TypeError):
        WebApp(max_body_sise=1)  # type: ignore[call-arg]


def test_values_can_be_kept_on_the_app() -> None:
    """`set` chains, `get_setting` takes a default."""
    app = WebApp().set("a", 1).set("b", 2)
    assert (app.get_setting("a"), app.get_setting("z"), app.get_setting("z", 3)) == (1, None, 3)


class Recording(WebApp):
    """Writes down what happens, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.on_startup(lambda: self.events.append("plain startup"))
        self.on_shutdown(lambda: self.events.append("plain shutdown"))

        @self.on_startup
        async def async_startup() -> None:
            self.events.append("async startup")

        @self.on_shutdown
        async def async_shutdown() -> None:
            self.events.append("async shutdown")

        self.get("/")(lambda req, res, ctx: self.events.append("request"))

    async def _on_start(self) -> None:
        self.events.append("on_start")

    async def _on_stop(self) -> None:
        self.events.append("on_stop")


STARTED = ["plain startup", "async startup", "on_start"]
STOPPED = ["on_stop", "plain shutdown", "async shutdown"]


def test_start_and_end_under_a_server() -> None:
    """Work begins after the start hooks and ends before the stop hooks; again if started again."""
    app = Recording()
    with TestClient(app) as client:
        assert app.events == STARTED
        client.get("/")
        client.get("/")
    assert app.events == [*STARTED, "request", "request", *STOPPED]
    with TestClient(app):
        pass
    assert app.events[8:] == [*STARTED, *STOPPED]


def test_the_first_request_starts_the_app_where_no_server_does() -> None:
    """Once, also when several come at the same time."""
    app = Recording()

    async def main() -> None:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(*(client.get("/") for _ in range(3)))

    asyncio.run(main())
    assert app.events == [*STARTED, *["request"] * 3]


def test_a_startup_that_fails_is_told_to_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """What had begun is ended, the server learns the reason, and it can be tried again."""
    app = Recording()
    broken = True

    @app.on_startup
    def fail() -> None:
        if broken:
            raise ValueError("no database")

    with pytest.raises(Exception), TestClient(app):  # noqa: B017
        pass
    assert app.events == ["plain startup", "async startup", "on_stop"]
    assert "no database" in caplog.text
    broken = False
    app.events.clear()
    with TestClient(app) as client:
        assert client.get("/").status_code == 204
    assert app.events == [*STARTED, "request", *STOPPED]


def test_a_shutdown_hook_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged by name."""
    app = WebApp()
    ended: list[str] = []

    @app.on_shutdown
    def broken() -> None:
        raise ValueError

    app.on_shutdown(lambda: ended.append("other"))
    with TestClient(app):
        pass
    assert ended == ["other"]
    assert "broken" in caplog.text


def test_hooks_take_nothing() -> None:
    """A hook with arguments is refused at the decorator."""
    with pytest.raises(RouteError, match="startup hook"):
        WebApp().on_startup(lambda app: None)
    with pytest.raises(RouteError, match="shutdown hook"):
        WebApp().on_shutdown(3)  # type: ignore[type-var]


def test_below_a_path_of_another_app() -> None:
    """Mounted elsewhere, routes count from the place of the mount."""
    app = WebApp()
    app.get("/tasks/:id")(lambda req, res, ctx: {"id": req.param("id")})
    outer = Starlette(routes=[Mount("/hypern", app=app)])
    client = TestClient(outer)
    assert client.get("/hypern/tasks/a%2Fb").json() == {"id": "a/b"}
    assert client.get("/hypern/nothing").status_code == 404


@pytest.mark.parametrize("base", ["/api", "/café", "/a b", "/a/b"])
@pytest.mark.parametrize("sends_root", [True, False])
def test_below_a_path_with_any_letters(base: str, sends_root: bool) -> None:
    """The place of the mount is found in the path as sent, however it is spelt there, or is not there."""
    app = WebApp()
    app.get("/tasks/:id")(lambda req, res, ctx: {"id": req.param("id")})
    seen: list[Any] = []

    async def between(scope: Any, receive: Any, send: Any) -> None:
        if not sends_root:
            scope = {**scope, "raw_path": scope["raw_path"][scope["raw_path"].index(b"/tasks") :]}
        seen.append(scope["raw_path"])
        await app(scope, receive, send)

    client = TestClient(Starlette(routes=[Mount(base, app=between)]))
    assert client.get(f"{base}/tasks/a%2F%C3%A9").json() == {"id": "a/é"}
    escaped = "".join(f"%{byte:02x}" for byte in base[1:].encode() if byte != 0x2F)
    if "/" not in base[1:]:
        assert client.get(f"/{escaped}/tasks/a%2Fb%20c").json() == {"id": "a/b c"}


def test_a_path_that_only_begins_like_the_mount_is_not_below_it() -> None:
    """`/apix/tasks` has nothing to do with `/api`."""
    app = WebApp()
    app.get("/tasks")(lambda req, res, ctx: "tasks")
    client = TestClient(app, root_path="/api")
    assert client.get("/api/tasks").text == "tasks"
    assert client.get("/apix/tasks").status_code == 404


def test_below_asgi_middlewares() -> None:
    """The route and handler are in the scope for those that name requests by them."""
    app = WebApp()
    app.get("/tasks/:id")(lambda req, res, ctx: "x")
    seen: list[Any] = []

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)
        seen.append(scope.get("route"))

    assert TestClient(around).get("/tasks/7").text == "x"
    assert seen[0].path == "/tasks/:id"


def test_websockets_are_declined() -> None:
    """Politely, as there is nothing to answer them."""
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), TestClient(WebApp()).websocket_connect("/"):
        pass


def request_with(*messages: dict[str, Any], headers: dict[str, str], http_version: str = "1.1") -> Any:
    app = WebApp(max_body_size=10, request_timeout=0.05)
    app.post("/")(lambda req, res, ctx: {"body": req.text()})
    queue = list(messages)
    sent: list[Any] = []

    async def receive() -> Any:
        if queue:
            return queue.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "http_version": http_version,
        "scheme": "http",
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def chunk(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_bodies_in_pieces() -> None:
    """With a length or chunked; with HTTP/2 neither is needed."""
    announced = request_with(chunk(b"ab", True), chunk(b"cd", True), headers={"content-length": "4"})
    assert announced[2] == b'{"body":"abcd"}'
    chunked = request_with(
        chunk(b"ab", True), chunk(b"", True), chunk(b"cd", False), headers={"transfer-encoding": "chunked"}
    )
    assert chunked[2] == b'{"body":"abcd"}'
    http2 = request_with(chunk(b"ab", True), chunk(b"cd", False), headers={}, http_version="2")
    assert http2[2] == b'{"body":"abcd"}'


@pytest.mark.parametrize(
    ("messages", "headers", "status"),
    [
        ([], {"content-length": "11"}, 413),
        ([], {"content-length": "1" * 5000}, 413),
        ([chunk(b"x" * 6, True), chunk(b"x" * 6, True)], {"transfer-encoding": "chunked"}, 413),
        ([chunk(b"x" * 11, True)], {"content-length": "5"}, 413),
        ([chunk(b"x", True)], {"content-length": "5"}, 408),
        ([chunk(b"x", True), {"type": "http.disconnect"}], {"content-length": "5"}, 400),
        ([], {"content-length": "5", "transfer-encoding": "chunked"}, 400),
        ([], {"content-length": "+5"}, 400),
        ([], {"content-length": "5,5"}, 400),
        ([], {"content-length": ""}, 400),
    ],
)
def test_bodies_that_are_refused(messages: Any, headers: dict[str, str], status: int) -> None:
    """Too large, too slow, broken off or ambiguous; the connection is not used on."""
    answered, lines, _ = request_with(*messages, headers=headers)
    assert (answered, lines[b"connection"]) == (status, b"close")
