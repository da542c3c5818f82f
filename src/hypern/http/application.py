"""The web app: a router that is also an ASGI application and can serve itself."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from hypern.errors import ConfigurationError
from hypern.http.asgi import ErrorHandler, Receive, Scope, Send
from hypern.http.body import BodyReader
from hypern.http.delivery import OpenStreams
from hypern.http.dispatch import STOPPING, Dispatcher, Watcher
from hypern.http.failures import Failures
from hypern.http.files import StaticFiles
from hypern.http.handlers import check_callable
from hypern.http.lifespan import Lifespan
from hypern.http.listening import Listening
from hypern.http.paths import join_paths
from hypern.http.request import RequestLimits
from hypern.http.router import Router
from hypern.http.server import Server
from hypern.http.settings import HttpSettings
from hypern.http.several import supervisor
from hypern.http.threads import HandlerThreads
from hypern.processes.child import Child, this_child
from hypern.processes.tasks import TaskProcess

F = TypeVar("F", bound=Callable[..., Any])


class _Serving(Protocol):
    """What `listen` is busy with."""

    def run(self) -> None: ...
    def request_stop(self) -> None: ...


class WebApp(Router):
    """Routes, middlewares, hooks and settings of one application.

    The keywords are those of `HttpSettings`; ConfigurationError for one that cannot work. Middlewares given
    to `use` see every request, also those that no route answers.
    """

    def __init__(
        self,
        *,
        debug: bool = False,
        max_body_size: int = 16 * 1024 * 1024,
        request_timeout: float = 30.0,
        request_grace_seconds: float = 10.0,
        handler_threads: int = 40,
        max_form_parts: int = 1000,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.http_settings = HttpSettings(
            debug=debug,
            max_body_size=max_body_size,
            request_timeout=request_timeout,
            request_grace_seconds=request_grace_seconds,
            handler_threads=handler_threads,
            max_form_parts=max_form_parts,
            trusted_proxies=trusted_proxies,
        )
        self._limits = RequestLimits(max_form_parts, self.http_settings.proxy_networks())
        self._threads = HandlerThreads(handler_threads)
        self._body_reader = BodyReader(max_body_size, request_timeout)
        self._default_error_handlers: dict[type[BaseException], ErrorHandler] = {}
        self._failures = Failures(
            self._rules.error_handlers, self._default_error_handlers, self._threads, debug
        )
        self._streams = OpenStreams()
        self._requests: set[asyncio.Task[Any]] = set()
        self._dispatcher: Dispatcher | None = None
        self._watchers: list[Watcher] = []
        self._lifespan = Lifespan(self._on_start, self._on_stop, self._threads.stop)
        self._values: dict[str, Any] = {}
        self._serving: _Serving | None = None
        self.stop_now = threading.Event()
        """Set when a second signal says that nothing should be waited for any more."""

    # Hooks, errors, settings

    def on_startup(self, hook: F) -> F:
        """Decorator: called once, before the first request. It may be async."""
        check_callable(hook, (), "the startup hook")
        self._lifespan.start_hooks.append(hook)
        return hook

    def on_shutdown(self, hook: F) -> F:
        """Decorator: called once, after the last request. It may be async."""
        check_callable(hook, (), "the shutdown hook")
        self._lifespan.stop_hooks.append(hook)
        return hook

    def errorhandler(self, kind: type[BaseException]) -> Callable[[F], F]:
        """Decorator for `(req, res, error)`, which answers errors of this class from any handler."""
        return self.error(kind)

    def register_error_handler(self, kind: type[BaseException], handler: ErrorHandler) -> None:
        """What `errorhandler` does."""
        self._add_error_handler(kind, handler)

    def set(self, key: str, value: Any) -> WebApp:
        """Keep a value for the program's own use."""
        self._values[key] = value
        return self

    def get_setting(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def static(
        self,
        url_path: str = "/static",
        directory: str | os.PathLike[str] = "static",
        index: str | None = "index.html",
    ) -> None:
        """Serve the files below `directory` under `url_path`. ConfigurationError if there is none."""
        self.add_route("GET", join_paths(url_path, "/*path"), StaticFiles(directory, index))

    # Serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: for uvicorn and other servers, test clients and middlewares around the app."""
        if scope["type"] == "http":
            if not self._lifespan.started:
                await self._lifespan.start()
            dispatcher = self._dispatcher
            if dispatcher is None:
                dispatcher = self._dispatcher = self._make_dispatcher()
            task = asyncio.current_task()
            assert task is not None
            self._requests.add(task)
            scope["app"] = self
            try:
                await dispatcher(scope, receive, send)
            finally:
                self._requests.discard(task)
        elif scope["type"] == "lifespan":
            await self._lifespan.run(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def listen(
        self,
        port: int = 3000,
        host: str = "127.0.0.1",
        callback: Callable[[], Any] | None = None,
        *,
        workers: int = 1,
        backlog: int = 1024,
        ssl_cert: str | os.PathLike[str] | None = None,
        ssl_key: str | os.PathLike[str] | None = None,
    ) -> None:
        """Serve until SIGINT, SIGTERM or `stop()`; prints one line with the URL when it is reachable.

        `port=0` takes a free one. `callback` is called after that line. In the end open requests get
        `request_grace_seconds`; a second signal waits for nothing. In another thread than the main one no
        signals are handled. ConfigurationError if the address cannot be had.

        `workers=4` serves with four processes: each runs this program anew up to this call, which is where
        this process supervises them and they serve. One that dies is replaced. HypernError if they cannot
        be started.
        """
        self._check_processes(workers, 0)
        self._listen(Listening(host, port, backlog, ssl_cert, ssl_key), callback, workers)

    def _listen(
        self, listening: Listening, callback: Callable[[], Any] | None, web: int, task: int = 0
    ) -> None:
        if this_child is not None:
            self._become(this_child, task)
            if this_child.role == "task":
                self._run_until_stopped(TaskProcess(self, this_child))
            else:
                self._run_until_stopped(Server(self, listening, child=this_child))
        elif web == 1 and not task:
            self._run_until_stopped(Server(self, listening, callback))
        else:
            self._become(None, task)
            self._run_until_stopped(supervisor(listening, web, task, callback))

    def _run_until_stopped(self, serving: _Serving) -> None:
        self._serving = serving
        try:
            serving.run()
        finally:
            self._serving = None

    def stop(self) -> None:
        """Let `listen` end as a signal does; a second call as a second signal. From any thread."""
        if self._serving is not None:
            self._serving.request_stop()

    async def startup(self) -> None:
        """What a server does first; requests do it by themselves where none does."""
        self._streams.begin()
        await self._lifespan.start()

    async def shutdown(self) -> None:
        """What a server does last."""
        await self._lifespan.stop()

    @property
    def is_stopping(self) -> bool:
        """Whether `listen` has been told to stop: requests that are here are answered, no more are taken."""
        return self._streams.are_ended

    def end_streams(self) -> None:
        """End the streams of events that are being sent."""
        self._streams.end_all()

    def end_with_streams(self, waiting: asyncio.Future[Any]) -> None:
        """Cancel this, too, when the streams are ended: what a request does nothing but wait for."""
        self._streams.start(waiting)

    def cancel_requests(self) -> None:
        """Cancel the requests that are being answered; those that can still be are answered with 503."""
        for task in list(self._requests):
            task.cancel(STOPPING)

    def watch_requests(self, watcher: Watcher) -> None:
        """Call this for each request from now on, when its answer begins; see `Watcher`."""
        if watcher not in self._watchers:
            self._watchers.append(watcher)

    def path_of_tasks(self) -> str | None:
        """The path of the route that shows single tasks, `/tasks/:task_id`; None: there is none."""
        shown = (route.path for route in self._routes if getattr(route.handler, "shows_a_task", False))
        return next(shown, None)

    # What a subclass adds

    async def _on_start(self) -> None:
        """Before the startup hooks, under any server."""

    async def _on_stop(self) -> None:
        """Before the shutdown hooks, under any server; `stop_now` may be set meanwhile."""

    def _after_serving(self) -> None:
        """In `listen` only, in a thread: requests are finished, and `_on_stop` comes next."""

    def stop_seconds(self) -> float:
        """How long a stop in good order may take."""
        return self.http_settings.request_grace_seconds

    def _check_processes(self, web: int, task: int) -> None:
        """ConfigurationError unless `listen` can serve with so many processes and run tasks in so many."""
        if not isinstance(web, int) or isinstance(web, bool) or web < 1:
            raise ConfigurationError(f"workers={web!r} has to be a whole number of processes, at least 1.")

    def _become(self, child: Child | None, task: int) -> None:
        """This process is one of several, `task` of which run tasks, or (None) their parent; the app has not
        been started yet."""

    # Inside

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self._routes,
            self._rules,
            self.prefix,
            self._failures,
            self._threads,
            self._body_reader,
            self._limits,
            self._streams,
            self._watchers,
        )

    def _changed(self) -> None:
        self._dispatcher = None
        super()._changed()
