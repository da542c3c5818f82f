"""Serving: the only file that knows Granian, the HTTP server underneath."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server as GranianServer

from hypern.errors import ConfigurationError, HypernError
from hypern.eventloop import new_event_loop
from hypern.http.asgi import Receive, Scope, Send
from hypern.http.settings import HttpSettings

HEADER_LIMIT = 64 * 1024
"""Bytes of request line and headers together; more is answered with 431."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
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
    def end_streams(self) -> None: ...
    def cancel_requests(self) -> None: ...
    def _after_serving(self) -> None: ...


class Server:
    """One process on one address, until it is told to stop."""

    def __init__(
        self,
        app: Served,
        host: str,
        port: int,
        callback: Callable[[], Any] | None,
        backlog: int,
        ssl_cert: str | os.PathLike[str] | None,
        ssl_key: str | os.PathLike[str] | None,
    ) -> None:
        if (ssl_cert is None) != (ssl_key is None):
            raise ConfigurationError("ssl_cert and ssl_key are both needed, or neither.")
        self._app = app
        self._host = host
        self._port = port
        self._callback = callback
        self._backlog = backlog
        self._ssl_cert = None if ssl_cert is None else Path(ssl_cert)
        self._ssl_key = None if ssl_key is None else Path(ssl_key)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()

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
        address, self._port = free_address(self._host, self._port)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._run(address))

    def request_stop(self) -> None:
        """Stop in good order; asked again, stop at once. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_stop_request)

    def _on_stop_request(self) -> None:
        if self._stop.is_set():
            self._app.stop_now.set()
            self._stop_now.set()
        self._stop.set()

    async def _run(self, address: str) -> None:
        self._loop = loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._on_stop_request)
        await self._app.startup()
        try:
            await self._serve(address)
            await loop.run_in_executor(None, self._app._after_serving)
        finally:
            await self._app.shutdown()

    async def _serve(self, address: str) -> None:
        try:
            server = self._granian(address)
        except OSError as error:  # ssl.SSLError is one too
            raise ConfigurationError(
                f"the certificate {self._ssl_cert} and key {self._ssl_key} cannot be used: "
                f"{error.strerror or error}."
            ) from None
        serving = asyncio.ensure_future(server.serve())
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            if await self._is_reachable(address, serving, stopping):
                self._announce()
            await _first(serving, stopping)
            if not stopping.done():
                raise self._died(serving)
        finally:
            stopping.cancel()
            if not serving.done():
                await self._finish(server, serving)

    def _granian(self, address: str) -> GranianServer:
        timeout = self._app.http_settings.request_timeout
        return GranianServer(
            self._app,
            address=address,
            port=self._port,
            interface=Interfaces.ASGINL,
            # Waiting for what version a client speaks would have no time limit.
            http=HTTPModes.http1,
            websockets=False,
            backlog=self._backlog,
            backpressure=self._backlog,
            http1_settings=HTTP1Settings(
                header_read_timeout=max(1, int(timeout * 1000)), max_buffer_size=HEADER_LIMIT
            ),
            log_enabled=False,
            log_dictconfig=_LEAVE_LOGGING_ALONE,
            ssl_cert=self._ssl_cert,
            ssl_key=self._ssl_key,
        )

    async def _is_reachable(
        self, address: str, serving: asyncio.Future[None], stopping: asyncio.Future[Any]
    ) -> bool:
        """Wait until the server accepts connections. False if it ended or was stopped before."""
        target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        while not (serving.done() or stopping.done()):
            try:
                _, writer = await asyncio.open_connection(target, self._port)
            except OSError:
                await _first(serving, stopping, timeout=0.01)
            else:
                writer.close()
                return True
        return False

    def _announce(self) -> None:
        scheme = "http" if self._ssl_cert is None else "https"
        host = f"[{self._host}]" if ":" in self._host else self._host
        print(f"Hypern listening on {scheme}://{host}:{self._port}", flush=True)  # noqa: T201
        if self._callback is not None:
            self._callback()

    def _died(self, serving: asyncio.Future[None]) -> HypernError:
        error = None if serving.cancelled() else serving.exception()
        died = HypernError(
            f"the HTTP server on {self._host}:{self._port} ended unexpectedly: {error or 'no reason given'}."
        )
        died.__cause__ = error
        return died

    async def _finish(self, server: GranianServer, serving: asyncio.Future[None]) -> None:
        """Accept nothing more, let open requests finish, cancel those that do not in time."""
        self._app.end_streams()
        server.stop()  # type: ignore[no-untyped-call]
        no_waiting = asyncio.ensure_future(self._stop_now.wait())
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


def free_address(host: str, port: int) -> tuple[str, int]:
    """The IP address of `host` and the port to listen on. ConfigurationError if they cannot be had.

    The server would share a port that another process of the same user listens on, so this asks the
    system for it alone first.
    """
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ConfigurationError(f"port={port!r} has to be a number from 0 to 65535.")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigurationError(
            f"host={host!r} is not an address of this machine: {error.strerror}."
        ) from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise _cannot_listen(host, port, error) from None
        bound = probe.getsockname()
    return str(bound[0]), int(bound[1])


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        advice = "another program listens there already; stop it, or choose another port"
    elif error.errno == errno.EACCES:
        advice = "this user may not use that port; choose one above 1023"
    else:
        advice = f"{error.strerror}; choose an address of this machine, such as 127.0.0.1"
    return ConfigurationError(f"cannot listen on {host}:{port}: {advice}.")
