"""Routers: prefixes, nesting, and what applies to which routes."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.errors import NotFound, RouteError
from hypern.http.application import WebApp
from hypern.http.router import Router


def answering(text: str) -> Any:
    def handler(req: Any, res: Any, ctx: Any) -> None:
        """Answers a text."""
        res.text(text)

    return handler


def tagging(tag: str) -> Any:
    async def middleware(req: Any, res: Any, ctx: Any, next: Any) -> None:
        res.append("X-Way", tag)
        await next()

    return middleware


def way(reply: Any) -> str:
    return str(reply.headers.get("x-way", ""))


def test_every_verb_registers() -> None:
    """Decorators, `all`, the builder and `add_route` reach the same table."""
    app = WebApp()
    for verb in ("get", "post", "put", "patch", "delete", "options"):
        getattr(app, verb)(f"/{verb}")(answering(verb))
    app.head("/head")(lambda req, res, ctx: res.header("X-Head", "own"))
    app.all("/all")(answering("all"))
    app.route("/built").get(answering("g")).post(answering("p")).put(answering("u")).delete(
        answering("d")
    ).patch(answering("a")).options(answering("o")).all(answering("rest"))
    app.add_route("purge", "/purge", answering("purge"))
    client = TestClient(app)
    for verb in ("get", "post", "put", "patch", "delete", "options"):
        assert client.request(verb.upper(), f"/{verb}").text == verb
    assert client.head("/head").headers["x-head"] == "own"
    assert client.request("ANYTHING", "/all").text == "all"
    assert [
        client.request(m, "/built").text for m in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X")
    ] == [
        *"gpudao",
        "rest",
    ]
    assert client.request("PURGE", "/purge").text == "purge"


def test_a_router_mounts_at_its_own_prefix() -> None:
    """`use(router)` honours the prefix, `use("/api", router)` adds one, `mount` is the same."""
    router = Router(prefix="/users")
    router.get("/")(answering("list"))
    router.get("/:id")(lambda req, res, ctx: res.text(req.param("id")))
    app = WebApp()
    app.use(router)
    app.use("/api", router)
    app.mount("/v2", router)
    client = TestClient(app)
    for prefix in ("", "/api", "/v2"):
        assert client.get(f"{prefix}/users").text == "list"
        assert client.get(f"{prefix}/users/").text == "list"
        assert client.get(f"{prefix}/users/7").text == "7"


def test_routers_nest_and_grow() -> None:
    """What is added to an inner router after it was mounted is there too, even while serving."""
    inner, outer, app = Router("/inner"), Router("/outer"), WebApp()
    outer.use("/more", inner)
    app.use(outer)
    client = TestClient(app)
    assert client.get("/outer/more/inner/late").status_code == 404
    inner.get("/late")(answering("late"))
    assert client.get("/outer/more/inner/late").text == "late"
    assert app.get_routes() == [
        {
            "method": "GET",
            "path": "/outer/more/inner/late",
            "handler": "answering.<locals>.handler",
            "doc": "Answers a text.",
        }
    ]


def test_a_router_cannot_contain_itself() -> None:
    """Neither directly nor by way of another."""
    one, other = Router("/one"), Router("/other")
    one.use(other)
    with pytest.raises(RouteError, match="itself"):
        other.use(one)
    with pytest.raises(RouteError, match="itself"):
        one.use(one)


def test_the_same_route_from_two_routers_is_refused() -> None:
    """At the moment when the second one would come in."""
    one, other, app = Router("/a"), Router(), WebApp()
    one.get("/:x")(answering("one"))
    other.get("/a/:y")(answering("other"))
    app.use(one)
    with pytest.raises(RouteError, match=r"GET /a/:y is already routed as /a/:x"):
        app.use(other)


@pytest.mark.parametrize("parts", [(), ("/prefix",), (3,), ("no-slash", tagging("x")), (lambda req: None,)])
def test_use_refuses_what_it_cannot_use(parts: tuple[Any, ...]) -> None:
    """Routers and middlewares, after an optional prefix; nothing else."""
    with pytest.raises(RouteError):
        WebApp().use(*parts)


def test_middlewares_run_from_the_outside_in() -> None:
    """The app's, then the routers' from outer to inner, then the route's own."""
    inner, outer, app = Router("/inner"), Router("/outer"), WebApp()
    inner.use(tagging("inner"))
    inner.get("/", middleware=[tagging("own"), tagging("own2")])(answering("x"))
    outer.use(inner)
    outer.use(tagging("outer"))
    app.use(outer)
    app.use(tagging("app"))
    assert way(TestClient(app).get("/outer/inner")) == "app, outer, inner, own, own2"


def test_a_routers_middleware_is_for_its_routes_only() -> None:
    """Routes beside it do not see it."""
    router, app = Router("/r"), WebApp()
    router.use(tagging("router"))
    router.get("/")(answering("x"))
    app.use(router)
    app.get("/beside")(answering("x"))
    client = TestClient(app)
    assert way(client.get("/r")) == "router"
    assert way(client.get("/beside")) == ""


def test_a_middleware_with_a_prefix() -> None:
    """It applies to what lies below, whole segments compared, in the app and in routers."""
    router, app = Router("/r"), WebApp()
    router.use("/sub", tagging("sub"))
    router.get("/sub/x")(answering("x"))
    router.get("/subway")(answering("x"))
    app.use(router)
    app.use("/api", router)
    app.use("/api", tagging("api"))
    app.use("/r/:any", tagging("any"))
    client = TestClient(app)
    assert way(client.get("/r/sub/x")) == "any, sub"
    assert way(client.get("/r/subway")) == "any"
    assert way(client.get("/api/r/sub/x")) == "api, sub"


def test_middlewares_see_what_no_route_answers() -> None:
    """404 gets the app's that apply to the path; 405 and OPTIONS those of the path's routes too."""
    router, app = Router("/r"), WebApp()
    router.use(tagging("router"))
    router.get("/x")(answering("x"))
    app.use(router)
    app.use(tagging("app"))
    app.use("/r", tagging("below"))
    client = TestClient(app)
    assert way(client.get("/nowhere")) == "app"
    assert way(client.get("/r/nowhere")) == "app, below"
    assert way(client.post("/r/x")) == "app, below, router"
    assert way(client.options("/r/x")) == "app, below, router"
    assert client.options("/r/x").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.post("/r/x").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.post("/r/x").status_code == 405


def test_head_has_the_head_of_get() -> None:
    """No body, and the length that GET would have."""
    app = WebApp()
    app.get("/")(answering("hello"))
    reply = TestClient(app).head("/")
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "5")


def test_param_hooks_run_before_their_routes() -> None:
    """With the value, wherever in the path it stands; they may answer instead."""
    router, app = Router("/tasks"), WebApp()

    @router.param("id")
    async def load(req: Any, res: Any, next: Any, value: str) -> None:
        if value == "0":
            raise NotFound("No such task.")
        res.header("X-Loaded", value)
        await next()

    @app.param("id")
    def count(req: Any, res: Any, next: Any, value: str) -> None:
        res.header("X-Counted", value)
        next()

    router.get("/:id")(answering("task"))
    router.get("/")(answering("tasks"))
    app.use(router)
    client = TestClient(app)
    reply = client.get("/tasks/7")
    assert (reply.text, reply.headers["x-loaded"], reply.headers["x-counted"]) == ("task", "7", "7")
    assert client.get("/tasks/0").json()["message"] == "No such task."
    assert "x-loaded" not in client.get("/tasks").headers


def test_error_handlers_from_the_inside_out() -> None:
    """The router's own first, then the outer routers', then the app's; a base class covers its children."""
    inner, outer, app = Router("/inner"), Router("/outer"), WebApp()
    for router, text, kind in (
        (inner, "inner", ZeroDivisionError),
        (outer, "outer", LookupError),
        (app, "app", ValueError),
    ):
        router.error(kind)(lambda req, res, error, text=text: res.status(400).text(text))
    failing = {"zero": ZeroDivisionError, "key": KeyError, "unicode": UnicodeError, "type": TypeError}

    @inner.get("/:what")
    def fail(req: Any, res: Any, ctx: Any) -> None:
        raise failing[req.param("what")]

    outer.use(inner)
    app.use(outer)
    client = TestClient(app)
    assert client.get("/outer/inner/zero").text == "inner"
    assert client.get("/outer/inner/key").text == "outer"
    assert client.get("/outer/inner/unicode").text == "app"
    assert client.get("/outer/inner/type").status_code == 500


@pytest.mark.parametrize("kind", [404, "NotFound", int])
def test_error_handlers_are_for_exception_classes(kind: Any) -> None:
    """A status or a name is refused at the decorator."""
    with pytest.raises(RouteError, match="exception classes"):
        WebApp().errorhandler(kind)(lambda req, res, error: None)


class _Part:
    def __init__(self) -> None:
        self.put_into: list[Router] = []

    def install(self, router: Router) -> None:
        self.put_into.append(router)
        router.get("/part")(answering("a part"))


@pytest.mark.parametrize(("parts", "path"), [((), "/part"), (("/api",), "/api/part")])
def test_a_part_installs_itself(parts: tuple[str, ...], path: str) -> None:
    """An object with `install` is called once, with the app or with a router below the prefix."""
    app, part = WebApp(), _Part()
    app.use(*parts, part)
    assert TestClient(app).get(path).text == "a part"
    assert len(part.put_into) == 1
    assert (part.put_into[0] is app) == (not parts)
