"""The app: the one place where HTTP, the task engine and a store meet. It assembles, it decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from hypern.config import Settings
from hypern.errors import ConfigurationError, QueueFull, ServiceUnavailable
from hypern.http.application import WebApp
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.results import TaskResult
from hypern.tasks.anywhere import submit_many_to, submit_to
from hypern.tasks.declare import Decorate, Task, background_with
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.options import CallOptions, TaskOptions
from hypern.tasks.runtime import use_engine

P = ParamSpec("P")
R = TypeVar("R")

# How often a stop looks whether a second signal has come.
_LOOK_EVERY = 0.05


class Hypern(WebApp):
    """A web application with background tasks.

    `task_workers`: threads for plain functions. `task_queue_size`: the most tasks that may be waiting.
    `task_store`: `"memory://"` (also from `HYPERN_TASK_STORE`). `task_grace_seconds`: how long stopping
    waits for running and due tasks. `task_async_limit`: coroutine tasks running at once.
    `task_result_ttl` (seconds) and `task_result_limit`: how long and how many ended tasks can be looked
    up. The others are those of `WebApp`. Raises ConfigurationError for a value that cannot work.

    The app made last is the one that the module-level `background`, `submit_task`, … belong to.
    """

    def __init__(
        self,
        *,
        task_workers: int | None = None,
        task_queue_size: int | None = None,
        task_store: str | None = None,
        task_grace_seconds: float | None = None,
        task_async_limit: int | None = None,
        task_result_ttl: float | None = None,
        task_result_limit: int | None = None,
        debug: bool = False,
        max_body_size: int = 16 * 1024 * 1024,
        request_timeout: float = 30.0,
        request_grace_seconds: float = 10.0,
        handler_threads: int = 40,
        max_form_parts: int = 1000,
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        super().__init__(
            debug=debug,
            max_body_size=max_body_size,
            request_timeout=request_timeout,
            request_grace_seconds=request_grace_seconds,
            handler_threads=handler_threads,
            max_form_parts=max_form_parts,
            trusted_proxies=trusted_proxies,
        )
        self.engine = Engine(
            Settings.read(
                task_workers=task_workers,
                task_queue_size=task_queue_size,
                task_store=task_store,
                task_grace_seconds=task_grace_seconds,
                task_async_limit=task_async_limit,
                task_result_ttl=task_result_ttl,
                task_result_limit=task_result_limit,
            )
        )
        self._default_error_handlers[QueueFull] = _answer_queue_full
        use_engine(self.engine)

    @overload
    def background(self, func: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def background(self, /, *, name: str | None = None, **options: Unpack[TaskOptions]) -> Decorate: ...
    def background(
        self,
        func: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> Any:
        """As `hypern.background`, for tasks that run in this app's engine."""
        return background_with(lambda: self.engine, func, name, options)

    def submit_task(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...] | list[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> str:
        """As `hypern.submit_task`, to this app's engine."""
        return submit_to(self.engine, func, args, kwargs, options)

    def submit_many(self, calls: Iterable[tuple[Any, ...]]) -> list[str]:
        """As `hypern.submit_many`, to this app's engine."""
        return submit_many_to(self.engine, calls)

    def get_task(self, task_id: str) -> TaskResult | None:
        """As `hypern.get_task`, for the tasks of this app's engine."""
        return look_up(self.engine, task_id)

    def cancel_task(self, task_id: str) -> bool:
        """As `hypern.cancel_task`, for the tasks of this app's engine."""
        return self.engine.cancel(task_id)

    async def _on_start(self) -> None:
        self.engine.start()

    async def _on_stop(self) -> None:
        stopping = asyncio.ensure_future(asyncio.to_thread(self.engine.stop))
        while not stopping.done():
            await asyncio.wait({stopping}, timeout=_LOOK_EVERY)
            if self.stop_now.is_set():
                self.engine.hurry()
        stopping.result()

    def _check_workers(self, workers: int) -> None:
        if workers != 1:
            raise ConfigurationError(
                f"workers={workers!r}: with task_store='memory://' each process would keep tasks of its own "
                "and answer 404 for the tasks of the others. Serve with one process: workers=1."
            )


async def _answer_queue_full(req: Request, res: Response, error: QueueFull) -> None:
    answer = ServiceUnavailable("Too many tasks are waiting; try again later.")
    res.status(answer.status_code).header("Retry-After", str(error.retry_after)).json(answer.to_dict())
