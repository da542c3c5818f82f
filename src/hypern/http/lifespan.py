"""Start and end of an app, whichever server runs it, and also where no server tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypern.callables import is_async, qualname
from hypern.http.asgi import Receive, Send
from hypern.http.logs import log_error

Hook = Callable[[], Any]


class Lifespan:
    """Runs the start hooks, then `begin`, once; at the end `finish`, the stop hooks, and `release`.

    A start that fails is undone and can be tried again. A stop hook that fails is logged; the rest follow.
    """

    def __init__(
        self,
        begin: Callable[[], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
        release: Callable[[], None],
    ) -> None:
        self._begin = begin
        self._finish = finish
        self._release = release
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        self.started = False
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start unless started; whoever comes while it is starting waits. Raises what a hook raised."""
        if self.started:
            return
        if self._starting is None or self._starting.get_loop() is not asyncio.get_running_loop():
            self._starting = asyncio.ensure_future(self._start())
        # Shielded: one of several who wait may be cancelled, and the start goes on for the others.
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        try:
            try:
                # In this order: tasks that wait in a durable store may need what the hooks prepare.
                for hook in self.start_hooks:
                    await _run(hook)
                await self._begin()
            except BaseException:
                await self._finish()
                raise
            self.started = True
        finally:
            self._starting = None

    async def stop(self) -> None:
        """Stop if started."""
        if not self.started:
            return
        self.started = False
        await self._finish()
        for hook in self.stop_hooks:
            try:
                await _run(hook)
            except Exception as error:
                log_error(error, "the shutdown hook %s failed; the others go on", qualname(hook))
        self._release()

    async def run(self, receive: Receive, send: Send) -> None:
        """Speak the lifespan protocol of ASGI. Raises what a startup hook raised."""
        await receive()
        try:
            await self.start()
        except Exception as error:
            log_error(error, "the app could not be started")
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _run(hook: Hook) -> None:
    value = hook()
    if is_async(hook) or isinstance(value, Awaitable):
        await value
