"""How an answer that is more than a few bytes in memory reaches the client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from hypern.http.asgi import Receive, Scope, Send
from hypern.http.threads import HandlerThreads


class OpenStreams:
    """The streams that are being sent, so that they can be ended when the server stops."""

    def __init__(self) -> None:
        self._running: set[asyncio.Future[Any]] = set()
        self._ended = False

    @property
    def are_ended(self) -> bool:
        return self._ended

    def start(self, stream: asyncio.Future[Any]) -> None:
        """Count this one in until it is done; end it at once if all have been ended already."""
        self._running.add(stream)
        stream.add_done_callback(self._running.discard)
        if self._ended:
            stream.cancel()

    def begin(self) -> None:
        """Let streams run, as at the start."""
        self._ended = False

    def end_all(self) -> None:
        """End those that run and those that come until `begin`."""
        self._ended = True
        for stream in list(self._running):
            stream.cancel()


@dataclass(slots=True)
class Delivery:
    """Where an answer goes, and the head that it starts with."""

    scope: Scope
    receive: Receive
    send: Send
    status: int
    headers: list[tuple[bytes, bytes]]
    threads: HandlerThreads
    streams: OpenStreams


class Source(Protocol):
    """An answer that sends itself."""

    async def deliver(self, to: Delivery) -> None:
        """Send head and body. Errors after the head has gone are raised; the connection is closed then."""
