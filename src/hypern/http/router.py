"""Routers: where handlers, middlewares and error handlers are registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from hypern.errors import RouteError
from hypern.http.asgi import ErrorHandler, Handler, Middleware
from hypern.http.handlers import check_callable
from hypern.http.paths import ANY_METHOD, PathTable, join_paths, parse_path
from hypern.http.routes import Owner, Route, Rules

F = TypeVar("F", bound=Callable[..., Any])


class Router:
    """Routes under a common prefix, with middlewares and error handlers of their own.

    `app.use(router)` puts them into an app, `app.use("/api", router)` below a further prefix; routers can
    be put into routers. What is added to a router afterwards is added to the app too. RouteError, at the
    call, for a path that cannot be matched, a handler that cannot be called and a route that exists already.
    """

    def __init__(self, prefix: str = "") -> None:
        parse_path(prefix)
        self.prefix = prefix.rstrip("/")
        self._rules = Rules()
        self._routes: list[Route] = []
        self._paths: PathTable[Route] = PathTable()
        self._mounts: list[tuple[Router, str]] = []

    # Routes

    def get(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        """Decorator: `@app.get("/tasks/:id")` on a handler `(req, res, ctx)`. Answers HEAD too."""
        return self._verb("GET", path, middleware)

    def post(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        return self._verb("POST", path, middleware)

    def put(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        return self._verb("PUT", path, middleware)

    def patch(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        return self._verb("PATCH", path, middleware)

    def delete(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        return self._verb("DELETE", path, middleware)

    def options(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        """Without such a route, OPTIONS answers the methods that the path has."""
        return self._verb("OPTIONS", path, middleware)

    def head(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        return self._verb("HEAD", path, middleware)

    def all(self, path: str, middleware: Iterable[Middleware] | None = None) -> Callable[[F], F]:
        """Every method that has no route of its own at this path."""
        return self._verb(ANY_METHOD, path, middleware)

    def route(self, path: str) -> RouteBuilder:
        """Several methods of one path: `app.route("/tasks").get(list_tasks).post(create_task)`."""
        return RouteBuilder(self, path)

    def add_route(
        self, method: str, path: str, handler: Handler, middleware: Iterable[Middleware] | None = None
    ) -> None:
        """What the decorators do. `method`: any HTTP method, or `*` for all."""
        check_callable(handler, ("req", "res", "ctx"), f"the handler of {method} {path}")
        steps = tuple(middleware or ())
        for step in steps:
            check_callable(step, ("req", "res", "ctx", "next"), f"the middleware of {method} {path}")
        if not isinstance(method, str) or not (method == ANY_METHOD or method.isalpha()):
            raise RouteError(f"{method!r} is not an HTTP method; use one like 'GET'.")
        parse_path(path)
        full_path = join_paths(self.prefix, path)
        self._accept(Route(method.upper(), full_path, handler, steps, (Owner(self._rules, self.prefix),)))

    def get_routes(self) -> list[dict[str, Any]]:
        """The routes in order of registration: `method`, `path`, `handler` (its name) and `doc`."""
        return [route.describe() for route in self._routes]

    # Composition

    def use(self, *parts: Any) -> None:
        """Add a router or a middleware: `use(router)`, `use("/api", router)`, `use(mw)`, `use("/api", mw)`.

        A middleware is `async def mw(req, res, ctx, next)` and goes on with `await next()`. A plain one
        runs in a thread before the rest, which follows if it called `next()`, once it has returned.
        A middleware applies to this router's routes (an app's also to paths without a route).

        Anything else with a method `install` puts itself in: `install(router)` is called, once, with this
        router or app, or, below a prefix, with a router that is put there.
        """
        prefix = ""
        if parts and isinstance(parts[0], str):
            prefix, *rest = parts
            parse_path(prefix)
        else:
            rest = list(parts)
        if not rest:
            raise RouteError("use() takes a router or a middleware, after an optional path prefix.")
        for part in rest:
            if isinstance(part, Router):
                self._mount(prefix, part)
            elif _is_installable(part):
                self._install(prefix, part)
            else:
                check_callable(part, ("req", "res", "ctx", "next"), "the middleware")
                self._rules.middleware.append((prefix, part))
        self._changed()

    def mount(self, *parts: Any) -> None:
        """The same as `use`."""
        self.use(*parts)

    def error(self, kind: type[BaseException]) -> Callable[[F], F]:
        """Decorator for `(req, res, error)`, which answers such errors from this router's handlers."""

        def register(handler: F) -> F:
            self._add_error_handler(kind, handler)
            return handler

        return register

    def param(self, name: str) -> Callable[[F], F]:
        """Decorator for `(req, res, next, value)`, which runs before routes that have this parameter."""

        def register(hook: F) -> F:
            check_callable(hook, ("req", "res", "next", "value"), f"the hook of the parameter {name!r}")
            self._rules.param_hooks[name] = hook
            self._changed()
            return hook

        return register

    # Inside

    def _verb(self, method: str, path: str, middleware: Iterable[Middleware] | None) -> Callable[[F], F]:
        def register(handler: F) -> F:
            self.add_route(method, path, handler, middleware)
            return handler

        return register

    def _add_error_handler(self, kind: type[BaseException], handler: ErrorHandler) -> None:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise RouteError(f"error handlers are for exception classes, not for {kind!r}.")
        check_callable(handler, ("req", "res", "error"), f"the error handler of {kind.__name__}")
        self._rules.error_handlers[kind] = handler
        self._changed()

    def _mount(self, prefix: str, router: Router) -> None:
        if self._is_inside(router):
            raise RouteError("a router cannot be put into itself.")
        router._mounts.append((self, prefix))
        for route in router._routes:
            self._adopt(prefix, route)

    def _install(self, prefix: str, part: Any) -> None:
        if not prefix:
            part.install(self)
            return
        router = Router()
        part.install(router)
        self._mount(prefix, router)

    def _is_inside(self, router: Router) -> bool:
        return self is router or any(parent._is_inside(router) for parent, _ in self._mounts)

    def _adopt(self, prefix: str, route: Route) -> None:
        self._accept(route.below(join_paths(self.prefix, prefix), Owner(self._rules, self.prefix)))

    def _accept(self, route: Route) -> None:
        self._paths.add(route.method, route.path, route)
        self._routes.append(route)
        for parent, prefix in self._mounts:
            parent._adopt(prefix, route)
        self._changed()

    def _changed(self) -> None:
        for parent, _ in self._mounts:
            parent._changed()


def _is_installable(part: Any) -> bool:
    # Of a class itself, `install` would be called without an object.
    return not isinstance(part, type) and callable(getattr(part, "install", None))


class RouteBuilder:
    """Methods of one path; each call registers a handler and returns the builder."""

    def __init__(self, router: Router, path: str) -> None:
        self._router = router
        self._path = path

    def get(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("GET", handler, middleware)

    def post(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("POST", handler, middleware)

    def put(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("PUT", handler, middleware)

    def patch(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("PATCH", handler, middleware)

    def delete(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("DELETE", handler, middleware)

    def options(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("OPTIONS", handler, middleware)

    def head(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add("HEAD", handler, middleware)

    def all(self, handler: Handler, middleware: Sequence[Middleware] | None = None) -> RouteBuilder:
        return self._add(ANY_METHOD, handler, middleware)

    def _add(self, method: str, handler: Handler, middleware: Sequence[Middleware] | None) -> RouteBuilder:
        self._router.add_route(method, self._path, handler, middleware)
        return self
