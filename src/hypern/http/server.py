"""Serving: the only file that knows Granian, the HTTP server underneath."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server as GranianServer

from hypern.errors import ConfigurationError, HypernError
from hypern.eventloop import new_event_loop
from hypern.http.asgi import Receive, Scope, Send
from hypern.http.listening import Listening
from hypern.http.settings import HttpSettings
from hypern.processes.child import Child
from hypern.processes.stopping import Stopping

HEADER_LIMIT = 64 * 1024
"""Bytes of request line and headers together; more is answered with 431."""

# Granian would reconfigure Python's logging when it is made, closing the handlers that a program has set up.
_LEAVE_LOGGING_ALONE = {
    "incremental": True,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {}, "granian.access": {}},
}

logger = logging.getLogger("hypern.http")


class Served(Protocol):
    """What is served: an ASGI application, and the handles for stopping it in good order."""

    http_settings: HttpSettings
    stop_now: threading.Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...
    def stop_seconds(self) -> float: ...
    def end_streams(self) -> None: ...
    def cancel_requests(self) -> None: ...
    def _after_serving(self) -> None: ...


class _Granian(GranianServer):
    """Granian on a socket of ours. Its own would be shared with whoever else of this user asks for the
    port, and with it would go the connections that wait when one of several processes ends."""

    def __init__(self, listener: socket.socket, target: Served, **options: Any) -> None:
        super().__init__(target, **options)
        self._listener = listener
        self.has_socket: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _init_shared_socket(self) -> None:
        self._sfd = self._listener.detach()  # type: ignore[assignment]
        self._shd = SocketHolder(self._sfd, False, self.backlog)  # type: ignore[assignment, call-arg]
        self.has_socket.set_result(None)


class Server:
    """One process on one address, until it is told to stop: by a signal, or, if it is one of several that
    share the address, by its parent."""

    def __init__(
        self,
        app: Served,
        listening: Listening,
        callback: Callable[[], Any] | None = None,
        child: Child | None = None,
    ) -> None:
        self._app = app
        self._listening = listening
        self._callback = callback
        self._child = child
        self._socket: socket.socket
        self._stopping = Stopping()

    def run(self) -> None:
        """Serve; returns when everything has ended."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise ConfigurationError(
                "listen() runs an event loop of its own and was called inside of another; call it from plain "
                "code, or serve the app with an ASGI server."
            )
        self._app.stop_now.clear()
        self._socket = self._listening.bind() if self._child is None else self._child.listener()
        with self._socket, asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._run())

    def request_stop(self) -> None:
        """Stop in good order; asked again, stop at once. From any thread."""
        self._stopping.request()

    async def _run(self) -> None:
        self._stopping.begin(self._child, self._app.stop_seconds(), self._app.stop_now.set)
        await self._app.startup()
        try:
            await self._serve()
            await asyncio.get_running_loop().run_in_executor(None, self._app._after_serving)
        finally:
            await self._app.shutdown()

    async def _serve(self) -> None:
        try:
            server = self._granian()
        except OSError as error:  # ssl.SSLError is one too
            raise ConfigurationError(
                f"the certificate {self._listening.ssl_cert} and key {self._listening.ssl_key} cannot be "
                f"used: {error.strerror or error}."
            ) from None
        self._listening.open(self._socket)
        serving = asyncio.ensure_future(server.serve())
        stopping = asyncio.ensure_future(self._stopping.asked.wait())
        try:
            await _first(serving, stopping, server.has_socket)
            if server.has_socket.done():
                self._announce()
            await _first(serving, stopping)
            if not stopping.done():
                raise self._died(serving)
        finally:
            stopping.cancel()
            if not serving.done():
                await self._finish(server, serving)

    def _granian(self) -> _Granian:
        timeout = self._app.http_settings.request_timeout
        backlog = self._listening.backlog
        return _Granian(
            self._socket,
            self._app,
            interface=Interfaces.ASGINL,
            # Waiting for what version a client speaks would have no time limit.
            http=HTTPModes.http1,
            websockets=False,
            backlog=backlog,
            backpressure=backlog,
            http1_settings=HTTP1Settings(
                header_read_timeout=max(1, int(timeout * 1000)), max_buffer_size=HEADER_LIMIT
            ),
            log_enabled=False,
            log_dictconfig=_LEAVE_LOGGING_ALONE,
            ssl_cert=self._listening.ssl_cert,
            ssl_key=self._listening.ssl_key,
        )

    def _announce(self) -> None:
        if self._child is None:
            self._listening.announce("", self._callback)
        else:
            self._child.ready()

    def _died(self, serving: asyncio.Future[None]) -> HypernError:
        error = None if serving.cancelled() else serving.exception()
        died = HypernError(
            f"the HTTP server on {self._listening.host}:{self._listening.port} ended unexpectedly: "
            f"{error or 'no reason given'}."
        )
        died.__cause__ = error
        return died

    async def _finish(self, server: _Granian, serving: asyncio.Future[None]) -> None:
        """Accept nothing more, let open requests finish, cancel those that do not in time."""
        if self._child is not None:
            self._child.leaving()
        self._app.end_streams()
        server.stop()  # type: ignore[no-untyped-call]
        no_waiting = asyncio.ensure_future(self._stopping.at_once.wait())
        grace = self._app.http_settings.request_grace_seconds
        await _first(serving, no_waiting, timeout=grace)
        no_waiting.cancel()
        if not serving.done():
            self._app.cancel_requests()
            # What is left are clients that do not take their answers.
            await asyncio.wait({serving}, timeout=0.5)
        if not serving.done():
            logger.warning("some clients were still connected when the server stopped")
            serving.cancel()
            await asyncio.wait({serving})


async def _first(*futures: asyncio.Future[Any], timeout: float | None = None) -> None:
    await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
