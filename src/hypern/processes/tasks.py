"""A process that runs tasks and serves nothing: the app is started, waits until it is to stop, and stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from hypern.eventloop import new_event_loop
from hypern.processes.child import Child
from hypern.processes.stopping import Stopping


class WithTasks(Protocol):
    """What is started and stopped; `stop_now` tells it, while it stops, to wait for nothing."""

    stop_now: threading.Event

    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...
    def stop_seconds(self) -> float: ...


class TaskProcess:
    """Runs the tasks of `app` until a signal, or the parent of the `child` that this process is, ends it.

    `on_started` is called when they can run. A second signal waits for nothing.
    """

    def __init__(
        self, app: WithTasks, child: Child | None = None, on_started: Callable[[], None] | None = None
    ) -> None:
        self._app = app
        self._child = child
        self._on_started = on_started
        self._stopping = Stopping()

    def run(self) -> None:
        """Returns when everything has ended. Raises what starting the app raised."""
        self._app.stop_now.clear()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._run())

    def request_stop(self) -> None:
        """Stop in good order; asked again, stop at once. From any thread."""
        self._stopping.request()

    async def _run(self) -> None:
        self._stopping.begin(self._child, self._app.stop_seconds(), self._app.stop_now.set)
        await self._app.startup()
        try:
            if self._child is not None:
                self._child.ready()
            if self._on_started is not None:
                self._on_started()
            await self._stopping.asked.wait()
        finally:
            await self._app.shutdown()
