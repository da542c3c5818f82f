"""`app.use(Health())`: whether the process lives, and whether it is ready for requests and tasks.

An orchestrator asks often, and from many machines, so neither answer waits for a disk on the event loop: the
store is asked in a thread, by one for all, and what it said is good for a second.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from concurrent.futures import Future
from typing import Any

from hypern.errors import ConfigurationError
from hypern.http.context import Context
from hypern.http.paths import parse_path
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.tasks.engine import Engine
from hypern.telemetry.engines import engine_of_request

logger = logging.getLogger("hypern.health")

STORE_FAILS = "the store of the tasks cannot be written to"
STORE_IS_SILENT = "the store of the tasks does not answer"
NO_CLAIMS = "no task can be started"
NOT_RUNNING = "tasks are not run"
STOPPING = "the server is stopping"

# No task has such an id. Cancelling it takes the way that every change takes, and changes nothing.
_NOBODY = ""


class Health:
    """Two paths for those who start and stop this process: `app.use(Health(live="/live", ready="/ready"))`.

    `live` is answered 200 as long as the process answers at all. `ready` is 200, or 503 with the reasons:
    while the server is stopping, while the store of the tasks cannot be written to or has not answered within
    `patience` seconds, and while this process, if it is there to run tasks, cannot. `fresh`: for so many
    seconds one answer of the store is good. A path that is None is not answered. Both tell nothing else, and
    need no permission.

    Raises ConfigurationError, RouteError for what cannot work.
    """

    def __init__(
        self,
        live: str | None = "/live",
        ready: str | None = "/ready",
        *,
        patience: float = 2.0,
        fresh: float = 1.0,
    ) -> None:
        for path in (live, ready):
            if path is not None:
                parse_path(path)
        for name, value, least in (("patience", patience, 0.001), ("fresh", fresh, 0.0)):
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < least:
                raise ConfigurationError(
                    f"{name}={value!r} has to be a number of seconds, at least {least:g}."
                )
        self._live = live
        self._ready = ready
        self._patience = patience
        self._probe = _Probe(fresh)

    def install(self, app: Any) -> None:
        """Answer at the paths. `app.use` calls it."""
        if self._live is not None:
            app.add_route("GET", self._live, self._say_live)
        if self._ready is not None:
            app.add_route("GET", self._ready, self._say_ready)

    async def _say_live(self, req: Request, res: Response, ctx: Context) -> None:
        """Whether the process lives."""
        res.json({"status": "live"}).cache_control(no_store=True)

    async def _say_ready(self, req: Request, res: Response, ctx: Context) -> None:
        """Whether it is ready for requests and tasks."""
        is_stopping = getattr(req.scope.get("app"), "is_stopping", False)
        reasons = (STOPPING,) if is_stopping else await self._reasons(engine_of_request(req))
        if reasons:
            res.status(503).json({"status": "not ready", "because": list(reasons)})
        else:
            res.json({"status": "ready"})
        res.cache_control(no_store=True)

    async def _reasons(self, engine: Engine) -> tuple[str, ...]:
        asked = self._probe.ask(engine)
        if not asked.done():
            await asyncio.wait({asyncio.wrap_future(asked)}, timeout=self._patience)
        return asked.result() if asked.done() else (STORE_IS_SILENT,)


class _Probe:
    """Asks the store, in a thread of its own, never twice at the same time."""

    def __init__(self, fresh: float) -> None:
        self._fresh = fresh
        self._lock = threading.Lock()
        self._asked: Future[tuple[str, ...]] | None = None
        self._answered_at = 0.0
        self._said: tuple[str, ...] = ()

    def ask(self, engine: Engine) -> Future[tuple[str, ...]]:
        """What keeps it from being ready: an answer that is fresh enough, or one that is under way."""
        with self._lock:
            asked = self._asked
            if asked is not None and (not asked.done() or time.monotonic() < self._answered_at + self._fresh):
                return asked
            asked = self._asked = Future()
        # Never joined: what waits for a disk that does not answer shall not hold up the end of the process.
        threading.Thread(target=self._answer, args=(engine, asked), name="hypern-health", daemon=True).start()
        return asked

    def _answer(self, engine: Engine, asked: Future[tuple[str, ...]]) -> None:
        try:
            reasons = look(engine)
        except BaseException as error:  # whoever waits must not wait for ever
            asked.set_exception(error)
            return
        self._answered_at = time.monotonic()
        if reasons != self._said:
            self._said = reasons
            if reasons:
                logger.warning("not ready: %s", "; ".join(reasons))
            else:
                logger.info("ready again")
        asked.set_result(reasons)


def look(engine: Engine) -> tuple[str, ...]:
    """Why tasks cannot be taken or run now, as far as they should be here. Waits for the store."""
    reasons = []
    try:
        engine.store.cancel(_NOBODY, engine.clock.wall())
    except Exception as error:
        logger.debug("the store cannot be written to", exc_info=error)
        reasons.append(STORE_FAILS)
    if engine.settings.task_workers:
        if not engine.is_started:
            reasons.append(NOT_RUNNING)
        elif not engine.store.can_claim():
            reasons.append(NO_CLAIMS)
    return tuple(reasons)
