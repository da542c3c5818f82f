"""`app.use(TaskRoutes("/tasks"))`: look at a task, wait for it, follow it, cancel it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol

from hypern.callables import is_async
from hypern.errors import (
    ConfigurationError,
    Conflict,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from hypern.http.context import Context
from hypern.http.paths import join_paths, parse_path
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.http.router import Router
from hypern.http.seats import Seat, Seats
from hypern.http.sse import SSEEvent
from hypern.records import TaskRecord
from hypern.results import TaskResult
from hypern.status.checks import NO_STORE, check_origin, wanted_wait
from hypern.status.view import View, Viewer
from hypern.stores.overview import Mark
from hypern.tasks.engine import Engine
from hypern.tasks.ids import is_possible_id

Owner = Callable[[Request, TaskResult], bool | Awaitable[bool]]

# Milliseconds after which a client that has lost its stream is to come back.
_COME_BACK = 2000
# Seconds after which one that was refused may find a place.
_COME_BACK_IF_FULL = "10"


class _App(Protocol):
    """What a request's app has to be."""

    engine: Engine

    def end_with_streams(self, waiting: asyncio.Future[Any]) -> None: ...


class TaskRoutes:
    """Routes below `path` that show single tasks, and never their arguments: `GET /tasks/{id}`,
    `GET /tasks/{id}/events` (server-sent events), `DELETE /tasks/{id}`.

    `owner`: `(req, task)`, sync or async: whether this client may see that task; None: whoever knows the id
    may. `result`, `error`: whether the returned value and the text of the error are shown. `cancel`: whether
    `DELETE` is there; `origins`: of other sites whose pages may use it, such as `"https://www.example.com"`.
    `longest_wait`: seconds that a request may wait at most; `retry_after`: seconds after which a client is to
    ask again. `streams`, `streams_per_client`: how many streams of events and waiting requests there may be
    at once in a process, and of one address; None: any number. Raises ConfigurationError, RouteError for
    what cannot work.
    """

    def __init__(
        self,
        path: str = "/tasks",
        *,
        owner: Owner | None = None,
        result: bool = True,
        error: bool = False,
        cancel: bool = True,
        origins: Iterable[str] = (),
        longest_wait: float = 30.0,
        retry_after: int = 1,
        streams: int | None = 600,
        streams_per_client: int | None = 300,
    ) -> None:
        parse_path(path)
        if owner is not None and not callable(owner):
            raise ConfigurationError(f"owner={owner!r} has to be a function (req, task) that returns a bool.")
        for name, value in (("longest_wait", longest_wait), ("retry_after", retry_after)):
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not math.isfinite(value)
                or value < 0
            ):
                raise ConfigurationError(f"{name}={value!r} has to be a finite number of seconds, 0 or more.")
        for name, most in (("streams", streams), ("streams_per_client", streams_per_client)):
            if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
                raise ConfigurationError(f"{name}={most!r} has to be a whole number, or None for any number.")
        if isinstance(origins, str):
            raise ConfigurationError(f"origins={origins!r} has to be several: write [{origins!r}].")
        self._path = path
        self._owner = owner
        self._viewer = Viewer(result, error)
        self._cancels = cancel
        self._origins = frozenset(origins)
        self._longest_wait = float(longest_wait)
        self._retry_after = math.ceil(retry_after)
        self._seats = Seats()
        self._streams, self._streams_per_client = streams, streams_per_client

    def install(self, router: Router) -> None:
        """Add the routes; `app.use` calls it."""
        path = join_paths(self._path, "/:task_id")
        router.add_route("GET", path, _Show(self._show))
        router.add_route("GET", f"{path}/events", self._follow)
        if self._cancels:
            router.add_route("DELETE", path, self._cancel)

    # -- the routes ---------------------------------------------------------------------------------

    async def _show(self, req: Request, res: Response, ctx: Context) -> None:
        """A task's status; with `Prefer: wait=10` once it has changed, or after ten seconds."""
        app, record = await self._find(req)
        view = self._viewer.view(record)
        wait = wanted_wait(req.header("prefer"), self._longest_wait)
        # To wait is a preference: where too many do, the answer comes at once, and says so.
        if wait is not None and self._full(req.ip) is None:
            res.header("Preference-Applied", f"wait={wait:g}")
            if req.header("if-none-match") is None or req.fresh(_quoted(view)):
                seat = self._seats.take(req.ip)
                try:
                    view = await self._changed(app, record, view, wait)
                finally:
                    seat.leave()
        self._answer(res, view)
        if req.fresh(_quoted(view)):
            res.status(304)

    async def _follow(self, req: Request, res: Response, ctx: Context) -> None:
        """A task's status as server-sent events: now, and whenever it changes, until it has ended."""
        app, record = await self._find(req)
        view = self._viewer.view(record)
        known = req.header("last-event-id")
        if view.has_ended and known == view.tag:
            # There is nothing to come, which tells an EventSource not to come back either.
            res.status(204).cache_control(no_store=True)
        else:
            if (full := self._full(req.ip)) is not None:
                raise full
            res.sse(self._events(app.engine, record, view, known, self._seats.take(req.ip)))

    async def _cancel(self, req: Request, res: Response, ctx: Context) -> None:
        """Cancel a task: 200 if it was waiting, 202 if it runs and has been asked to stop."""
        check_origin(req, self._origins)
        app, record = await self._find(req)
        engine = app.engine
        done = await (
            asyncio.to_thread(engine.cancel, record.id) if engine.store.shared else _now(engine, record)
        )
        after = await engine.get_async(record.id)
        if after is None:
            raise _unknown()
        view = self._viewer.view(after)
        if not done:
            raise Conflict(f"The task has ended: {view.data['status']}.", data=view.data, headers=NO_STORE)
        self._answer(res, view)
        res.status(200 if view.has_ended else 202)

    # -- inside -------------------------------------------------------------------------------------

    async def _find(self, req: Request) -> tuple[_App, TaskRecord]:
        """The app, and the task that is asked for. NotFound alike for one that is not there and for one that
        this client may not see."""
        app = req.scope["app"]
        if not isinstance(getattr(app, "engine", None), Engine):
            raise ConfigurationError("TaskRoutes show the tasks of a Hypern app; use them there.")
        task_id = req.param("task_id")
        record = await app.engine.get_async(task_id) if is_possible_id(task_id) else None
        if record is None or not await self._may_see(req, record):
            raise _unknown()
        return app, record

    async def _may_see(self, req: Request, record: TaskRecord) -> bool:
        if self._owner is None:
            return True
        task = TaskResult.of(record)
        if is_async(self._owner):
            said: Any = self._owner(req, task)
        else:
            said = await asyncio.to_thread(self._owner, req, task)
        return bool(await said if isinstance(said, Awaitable) else said)

    async def _changed(self, app: _App, record: TaskRecord, view: View, wait: float) -> View:
        """What is to be seen once that is something else than `view`, or after `wait` seconds, or when the
        server stops."""
        deadline = time.monotonic() + wait
        current = view
        while not current.has_ended and current.tag == view.tag and (left := deadline - time.monotonic()) > 0:
            waiting = asyncio.ensure_future(app.engine.changes.differs(record.id, Mark.of(record), left))
            app.end_with_streams(waiting)
            try:
                await asyncio.wait({waiting})
            finally:
                waiting.cancel()
            if waiting.cancelled():
                break
            found = await app.engine.get_async(record.id)
            if found is None:
                raise _unknown()
            record, current = found, self._viewer.view(found)
        return current

    def _full(self, client: str) -> HTTPException | None:
        """What to tell this client if there is no place for one more stream or wait of its."""
        headers = {**NO_STORE, "Retry-After": _COME_BACK_IF_FULL}
        most, most_of_one = self._streams, self._streams_per_client
        if most_of_one is not None and self._seats.of(client) >= most_of_one:
            return TooManyRequests(
                f"This address follows {most_of_one} tasks already; let one of them end.", headers=headers
            )
        if most is not None and self._seats.number >= most:
            return ServiceUnavailable("Too many tasks are being followed; ask again later.", headers=headers)
        return None

    async def _events(
        self, engine: Engine, record: TaskRecord, view: View, known: str | None, seat: Seat
    ) -> AsyncIterator[SSEEvent]:
        try:
            async for event in self._changes(engine, record, view, known):
                yield event
        finally:
            seat.leave()

    async def _changes(
        self, engine: Engine, record: TaskRecord, view: View, known: str | None
    ) -> AsyncIterator[SSEEvent]:
        while True:
            if view.tag != known:
                yield SSEEvent(view.data, id=view.tag, retry=_COME_BACK)
                known = view.tag
            if view.has_ended:
                return
            await engine.changes.differs(record.id, Mark.of(record))
            found = await engine.get_async(record.id)
            if found is None:
                return
            record, view = found, self._viewer.view(found)

    def _answer(self, res: Response, view: View) -> None:
        res.json(view.data).etag(_quoted(view)).cache_control(no_store=True)
        res.header("X-Content-Type-Options", "nosniff")
        if not view.has_ended:
            res.header("Retry-After", self._retry_after)


class _Show:
    """The handler whose route `res.accepted` leads to."""

    shows_a_task = True

    def __init__(self, show: Callable[[Request, Response, Context], Awaitable[None]]) -> None:
        self._show = show
        self.__doc__ = show.__doc__

    async def __call__(self, req: Request, res: Response, ctx: Context) -> None:
        await self._show(req, res, ctx)


async def _now(engine: Engine, record: TaskRecord) -> bool:
    return engine.cancel(record.id)


def _quoted(view: View) -> str:
    return f'"{view.tag}"'


def _unknown() -> NotFound:
    return NotFound("There is no such task.", headers=NO_STORE)
