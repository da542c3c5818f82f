"""One route, the rules around it, and what both are compiled to: a call of middlewares and handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypern.callables import is_async
from hypern.http.asgi import ErrorHandler, Handler, Middleware, ParamHook
from hypern.http.context import Context
from hypern.http.failures import ErrorHandlers, Failures
from hypern.http.paths import join_paths, parameter_name, parse_path
from hypern.http.request import Request
from hypern.http.response import Response, settle
from hypern.http.threads import HandlerThreads

Call = Callable[[Request, Response, Context], Awaitable[Any]]
Step = Callable[[Request, Response, Context, "Next"], Awaitable[Any]]


@dataclass(slots=True, eq=False)
class Rules:
    """What a router says about its routes. Each middleware comes with the path below which it applies."""

    middleware: list[tuple[str, Middleware]] = field(default_factory=list)
    error_handlers: dict[type[BaseException], ErrorHandler] = field(default_factory=dict)
    param_hooks: dict[str, ParamHook] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Owner:
    """A router around a route: its rules, and the path that it has come to stand at."""

    rules: Rules
    base: str


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A handler under a method and path. `owners`: the routers that it is in, the innermost first."""

    method: str
    path: str
    handler: Handler
    middleware: tuple[Middleware, ...]
    owners: tuple[Owner, ...]

    def below(self, prefix: str, owner: Owner) -> Route:
        """The same route, its path and its owners' moved below `prefix`, in one more router."""
        moved = (Owner(inner.rules, join_paths(prefix, inner.base)) for inner in self.owners)
        path = join_paths(prefix, self.path)
        return Route(self.method, path, self.handler, self.middleware, (*moved, owner))

    def describe(self) -> dict[str, Any]:
        """For people: `method`, `path`, `handler` (its name) and `doc` (its docstring, or None)."""
        handler = self.handler
        return {
            "method": self.method,
            "path": self.path,
            "handler": getattr(handler, "__qualname__", type(handler).__qualname__),
            "doc": getattr(handler, "__doc__", None),
        }


class Pipeline:
    """Middlewares around a call. An expected error from further in is an answer further out."""

    __slots__ = ("call", "failures", "handlers", "steps")

    def __init__(
        self, steps: tuple[Step, ...], call: Call, failures: Failures, handlers: tuple[ErrorHandlers, ...]
    ) -> None:
        self.steps = steps
        self.call = call
        self.failures = failures
        self.handlers = handlers

    async def __call__(self, req: Request, res: Response, ctx: Context) -> None:
        await Next(self, 0, req, res, ctx)()

    async def go_on(self, at: int, req: Request, res: Response, ctx: Context) -> None:
        """Run the middleware at this place, or behind the last one the handler."""
        try:
            if at < len(self.steps):
                await self.steps[at](req, res, ctx, Next(self, at + 1, req, res, ctx))
            else:
                # The handler fills an answer of its own: if it fails, or is given up on while it still runs
                # in a thread, nothing of that one shows.
                own = res.branch()
                settle(own, await self.call(req, own, ctx))
                res.take(own)
        except Exception as error:
            if not self.failures.is_expected(error, self.handlers):
                raise
            answer = res.headers_only()
            await self.failures.answer(error, req, answer, self.handlers)
            res.take(answer)


class Next:
    """The rest of the way, as a middleware is given it: `await next()` runs it, once."""

    __slots__ = ("_at", "_ctx", "_gone", "_pipeline", "_req", "_res")

    def __init__(self, pipeline: Pipeline, at: int, req: Request, res: Response, ctx: Context) -> None:
        self._pipeline = pipeline
        self._at = at
        self._req = req
        self._res = res
        self._ctx = ctx
        self._gone = False

    def __call__(self) -> Awaitable[None]:
        if self._gone:
            raise RuntimeError("a middleware called next() twice; the rest of the way can be gone only once.")
        self._gone = True
        return self._pipeline.go_on(self._at, self._req, self._res, self._ctx)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A route ready to be called. `in_pipeline`: by way of middlewares."""

    call: Call
    in_pipeline: bool
    handlers: tuple[ErrorHandlers, ...]
    route: Route | None


class Compiler:
    """Makes calls from routes and rules."""

    def __init__(self, threads: HandlerThreads, failures: Failures) -> None:
        self._threads = threads
        self._failures = failures

    def route(self, route: Route) -> Compiled:
        steps = [
            *self._steps_of(route),
            *self._param_steps(route),
            *(self._step(middleware) for middleware in route.middleware),
        ]
        return self._compiled(self._call(route.handler), steps, route)

    def refusal(self, route: Route, call: Call) -> Compiled:
        """`call` in the place of a route: with its routers' middlewares, but not its own."""
        return self._compiled(call, list(self._steps_of(route)), route)

    def nowhere(self, rules: Rules, base: str, segments: Sequence[str], call: Call) -> Compiled:
        """`call` for a path without a route: with the app's middlewares that apply to such a path."""
        steps = [
            self._step(middleware)
            for prefix, middleware in rules.middleware
            if _covers(parse_path(join_paths(base, prefix)), segments)
        ]
        return self._compiled(call, steps, None)

    def _compiled(self, call: Call, steps: list[Step], route: Route | None) -> Compiled:
        handlers = tuple(owner.rules.error_handlers for owner in route.owners) if route else ()
        if not steps:
            return Compiled(call, False, handlers, route)
        return Compiled(Pipeline(tuple(steps), call, self._failures, handlers), True, handlers, route)

    def _steps_of(self, route: Route) -> Iterable[Step]:
        segments = parse_path(route.path)
        for owner in reversed(route.owners):
            for prefix, middleware in owner.rules.middleware:
                if _covers(parse_path(join_paths(owner.base, prefix)), segments):
                    yield self._step(middleware)

    def _param_steps(self, route: Route) -> Iterable[Step]:
        for segment in parse_path(route.path):
            if segment[0] in ":*":
                name = parameter_name(segment)
                for owner in reversed(route.owners):
                    if name in owner.rules.param_hooks:
                        yield self._param_step(name, owner.rules.param_hooks[name])

    def _call(self, handler: Handler) -> Call:
        return handler if is_async(handler) else _PlainCall(handler, self._threads)

    def _step(self, middleware: Middleware) -> Step:
        return middleware if is_async(middleware) else _PlainStep(middleware, self._threads)

    def _param_step(self, name: str, hook: ParamHook) -> Step:
        def middleware(req: Request, res: Response, ctx: Context, next: Any) -> Any:
            return hook(req, res, next, req.param(name))

        async def async_middleware(req: Request, res: Response, ctx: Context, next: Any) -> Any:
            return await hook(req, res, next, req.param(name))

        return self._step(async_middleware if is_async(hook) else middleware)


class _PlainCall:
    """A plain handler: runs in a thread. What it returns may still be awaitable, behind a plain decorator."""

    __slots__ = ("_handler", "_threads")

    def __init__(self, handler: Handler, threads: HandlerThreads) -> None:
        self._handler = handler
        self._threads = threads

    async def __call__(self, req: Request, res: Response, ctx: Context) -> Any:
        value = await self._threads.run(self._handler, req, res, ctx)
        return await value if isinstance(value, Awaitable) else value


class _PlainStep:
    """A plain middleware: runs in a thread; after it has returned, the way goes on if it called next()."""

    __slots__ = ("_middleware", "_threads")

    def __init__(self, middleware: Middleware, threads: HandlerThreads) -> None:
        self._middleware = middleware
        self._threads = threads

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Next) -> None:
        wish = _Wish(next)
        value = await self._threads.run(self._middleware, req, res, ctx, wish)
        if isinstance(value, Awaitable):
            await value
        if wish.made:
            await next()


class _Wish:
    """The `next` of a plain middleware. An async one behind a plain decorator awaits it."""

    __slots__ = ("_next", "made")

    def __init__(self, next: Next) -> None:
        self._next = next
        self.made = False

    def __call__(self) -> _Wish:
        self.made = True
        return self

    def __await__(self) -> Generator[Any, None, None]:
        self.made = False
        return self._next().__await__()


def _covers(prefix: Sequence[str], segments: Sequence[str]) -> bool:
    """Whether a path of `segments`, a route's or a request's, lies at or below `prefix`."""
    if len(prefix) > len(segments):
        return False
    return all(a == b or a[0] in ":*" for a, b in zip(prefix, segments, strict=False))
