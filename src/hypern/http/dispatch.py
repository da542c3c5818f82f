"""The way of one request: find its route, read its body, call its handler, send the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any
from urllib.parse import unquote_to_bytes

from hypern.errors import HTTPException, MethodNotAllowed, NotFound, ServiceUnavailable
from hypern.http.answer import WITHOUT_BODY
from hypern.http.asgi import Receive, Scope, Send
from hypern.http.body import BodyReader
from hypern.http.cancelling import is_from_outside
from hypern.http.context import Context
from hypern.http.delivery import Delivery, OpenStreams
from hypern.http.failures import Failures, log_failure
from hypern.http.paths import PathTable, request_segments
from hypern.http.request import Request, RequestLimits
from hypern.http.response import Response, settle
from hypern.http.routes import Call, Compiled, Compiler, Route, Rules
from hypern.http.threads import HandlerThreads

STOPPING = "the server is stopping"
"""The message with which a request is cancelled that the server does not wait for any more."""

Watcher = Callable[[str, str | None, int, float], None]
"""Told of each request when its answer begins: method, path of the route (None: there is none), status, and
the seconds until then. On the event loop; it must not raise."""


class Dispatcher:
    """Answers requests by the routes and rules that an app had when this was made."""

    def __init__(
        self,
        routes: Iterable[Route],
        rules: Rules,
        base: str,
        failures: Failures,
        threads: HandlerThreads,
        body_reader: BodyReader,
        limits: RequestLimits,
        streams: OpenStreams,
        watchers: Sequence[Watcher],
    ) -> None:
        self._rules = rules
        self._base = base
        self._failures = failures
        self._threads = threads
        self._body_reader = body_reader
        self._limits = limits
        self._streams = streams
        self._watchers = watchers
        self._compiler = Compiler(threads, failures)
        self._table: PathTable[Compiled] = PathTable()
        for route in routes:
            self._table.add(route.method, route.path, self._compiler.route(route))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        req = Request(scope, self._limits)
        res = Response()
        res.scope = scope
        compiled: Compiled | None = None
        begun = perf_counter() if self._watchers else None
        try:
            try:
                path, raw_path = _own_path(scope)
                found = self._table.find(scope["method"], path, raw_path)
                if found is None:
                    compiled = self._without_route(scope["method"], path, raw_path)
                else:
                    compiled, req.path_params = found
                    scope["route"] = compiled.route
                    length = self._body_reader.expected_length(scope)
                    if length != 0:
                        req.body = await self._body_reader.read(receive, length)
            except HTTPException as error:
                compiled = self._refused(compiled, error)
            value = await compiled.call(req, res, Context())
            if value is not None and value is not res:
                settle(res, value)
        except BaseException as error:
            error = _that_can_be_answered(error)
            res = res.headers_only() if compiled is not None and compiled.in_pipeline else Response()
            res.scope = scope
            await self._failures.answer(error, req, res, compiled.handlers if compiled is not None else ())
        if begun is not None:
            self._tell(scope, compiled, res.status_code, perf_counter() - begun)
        res.headers_sent = True
        if res.source is not None and res.status_code not in WITHOUT_BODY:
            await self._deliver(res, scope, receive, send)
        else:
            is_head = scope["method"] == "HEAD"
            await send({"type": "http.response.start", "status": res.status_code, "headers": res.head(True)})
            await send({"type": "http.response.body", "body": b"" if is_head else res.payload()})

    def _tell(self, scope: Scope, compiled: Compiled | None, status: int, seconds: float) -> None:
        route = None if compiled is None else compiled.route
        for watcher in self._watchers:
            watcher(scope["method"], None if route is None else route.path, status, seconds)

    async def _deliver(self, res: Response, scope: Scope, receive: Receive, send: Send) -> None:
        assert res.source is not None
        to = Delivery(scope, receive, send, res.status_code, res.head(False), self._threads, self._streams)
        try:
            await res.source.deliver(to)
        except Exception as error:
            log_failure("failed while its answer was being sent", scope, error)
            raise

    def _without_route(self, method: str, path: str, raw_path: bytes) -> Compiled:
        """The call that answers where no route does: 404, 405, or OPTIONS with the methods there are."""
        others = self._table.methods_of(path, raw_path)
        if not others:
            call = _raising(NotFound(f"There is nothing at {path[:200]}."))
            return self._compiler.nowhere(self._rules, self._base, request_segments(path, raw_path), call)
        allow = ", ".join(dict.fromkeys([*others, "OPTIONS"]))
        neighbour = next(iter(others.values())).route
        assert neighbour is not None
        if method == "OPTIONS":
            return self._compiler.refusal(neighbour, _allowing(allow))
        error = MethodNotAllowed(f"{method} is not allowed here; use {allow}.", headers={"Allow": allow})
        return self._compiler.refusal(neighbour, _raising(error))

    def _refused(self, compiled: Compiled | None, error: HTTPException) -> Compiled:
        """The call that answers an error that came up before the handler could be called."""
        if compiled is None or compiled.route is None:
            return self._compiler.nowhere(self._rules, self._base, [], _raising(error))
        return self._compiler.refusal(compiled.route, _raising(error))


def _own_path(scope: Scope) -> tuple[str, bytes]:
    """The path below the place that the app is mounted at, decoded and as sent."""
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    root: str = scope.get("root_path", "").rstrip("/")
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
        raw_path = _without_root(raw_path, root, path)
    if raw_path is None:
        raw_path = path.replace("%", "%25").encode("utf-8", "surrogateescape")
    return path, raw_path


def _without_root(raw_path: bytes | None, root: str, path: str) -> bytes | None:
    """The path as sent, below `root`, which is decoded as `path`, what follows it, is. None if it differs."""
    if raw_path is None:
        return None
    raw_root = b"/".join(raw_path.split(b"/")[: root.count("/") + 1])
    if unquote_to_bytes(raw_root) == root.encode("utf-8", "surrogateescape"):
        return raw_path[len(raw_root) :]
    # Some servers take it off themselves.
    return raw_path if unquote_to_bytes(raw_path) == path.encode("utf-8", "surrogateescape") else None


def _that_can_be_answered(error: BaseException) -> BaseException:
    """The error to answer. Raises it again where the task is being cancelled or closed from outside.

    A handler's own sys.exit() or CancelledError is an error like others.
    """
    if not is_from_outside(error):
        return error
    task = asyncio.current_task()
    if task is None or STOPPING not in error.args:
        raise error
    task.uncancel()
    return ServiceUnavailable("The server is stopping.", headers={"Connection": "close", "Retry-After": "1"})


def _raising(error: Exception) -> Call:
    """A call, for once, that raises `error`.

    It lets go of the error then: the traceback leads to the frames that know this call, and in such a
    circle the request, and with it the client's connection, would stay until the next garbage collection.
    """
    held = [error]

    async def call(req: Request, res: Response, ctx: Context) -> Any:
        raise held.pop()

    return call


def _allowing(allow: str) -> Call:
    async def call(req: Request, res: Response, ctx: Context) -> Any:
        res.status(204).header("Allow", allow)

    return call
