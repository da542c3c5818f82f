"""The app: the one place where HTTP, the task engine and a store meet. It assembles, it decides nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from hypern.config import Settings
from hypern.errors import ConfigurationError, QueueFull, QueueUnavailable, ServiceUnavailable
from hypern.http.application import WebApp
from hypern.http.listening import Listening
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.processes.child import Child
from hypern.processes.tasks import TaskProcess
from hypern.results import TaskResult
from hypern.tasks.anywhere import submit_many_to, submit_to
from hypern.tasks.declare import Decorate, Task, background_with
from hypern.tasks.engine import Engine
from hypern.tasks.explain import explain_to
from hypern.tasks.filters import TaskFilter
from hypern.tasks.listing import TaskCount, TaskPage, count_in, list_in
from hypern.tasks.lookup import look_up
from hypern.tasks.options import CallOptions, TaskOptions
from hypern.tasks.queues import limit_queue_of, pause_queue_of
from hypern.tasks.recurring import Recur
from hypern.tasks.runtime import use_engine
from hypern.tasks.schedules import Cron, Every
from hypern.tasks.standalone import only_tasks, stop_in_order
from hypern.tasks.steering import (
    cancel_all_in,
    delete_all_in,
    delete_in,
    retry_all_in,
    retry_in,
    run_now_in,
)

logger = logging.getLogger("hypern.tasks")

P = ParamSpec("P")
R = TypeVar("R")

_ALONE = (
    "the store 'memory://' belongs to one process: {} Several need a store that they share, such as "
    "task_store='sqlite:///tasks.db'."
)


class Hypern(WebApp):
    """A web application with background tasks.

    `task_workers`: threads for plain functions. `task_queue_size`: the most tasks that may be waiting.
    `task_store`: `"memory://"` (also from `HYPERN_TASK_STORE`). `task_grace_seconds`: how long stopping
    waits for running and due tasks. `task_async_limit`: coroutine tasks running at once.
    `task_result_ttl` (seconds) and `task_result_limit`: how long and how many ended tasks can be looked
    up. `task_log_level`: keep with a task what it writes to the log, from `"INFO"`, say, on. The others are
    those of `WebApp`. Raises ConfigurationError for a value that cannot work.

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
        task_log_level: str | None = None,
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
                task_log_level=task_log_level,
            )
        )
        self._default_error_handlers[QueueFull] = _answer_queue_full
        self._default_error_handlers[QueueUnavailable] = _answer_queue_unavailable
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

    def pause_queue(self, name: str) -> None:
        """As `hypern.pause_queue`, for this app's engine."""
        pause_queue_of(self.engine, name, True)

    def resume_queue(self, name: str) -> None:
        """As `hypern.resume_queue`, for this app's engine."""
        pause_queue_of(self.engine, name, False)

    def limit_queue(self, name: str, limit: int | None) -> None:
        """As `hypern.limit_queue`, for this app's engine."""
        limit_queue_of(self.engine, name, limit)

    def cancel_task(self, task_id: str) -> bool:
        """As `hypern.cancel_task`, for the tasks of this app's engine."""
        return self.engine.cancel(task_id)

    def list_tasks(
        self, *, limit: int = 50, after: str | None = None, **which: Unpack[TaskFilter]
    ) -> TaskPage:
        """As `hypern.list_tasks`, for the tasks of this app's engine."""
        return list_in(self.engine, limit, after, which)

    def count_tasks(self, *, at_most: int = 100_000, **which: Unpack[TaskFilter]) -> TaskCount:
        """As `hypern.count_tasks`, for the tasks of this app's engine."""
        return count_in(self.engine, at_most, which)

    def retry_task(self, task_id: str) -> str | None:
        """As `hypern.retry_task`, for the tasks of this app's engine."""
        return retry_in(self.engine, task_id)

    def delete_task(self, task_id: str) -> bool:
        """As `hypern.delete_task`, for the tasks of this app's engine."""
        return delete_in(self.engine, task_id)

    def run_task_now(self, task_id: str) -> bool:
        """As `hypern.run_task_now`, for the tasks of this app's engine."""
        return run_now_in(self.engine, task_id)

    def retry_tasks(self, **which: Unpack[TaskFilter]) -> int:
        """As `hypern.retry_tasks`, for the tasks of this app's engine."""
        return retry_all_in(self.engine, which)

    def cancel_tasks(self, **which: Unpack[TaskFilter]) -> int:
        """As `hypern.cancel_tasks`, for the tasks of this app's engine."""
        return cancel_all_in(self.engine, which)

    def delete_tasks(self, **which: Unpack[TaskFilter]) -> int:
        """As `hypern.delete_tasks`, for the tasks of this app's engine."""
        return delete_all_in(self.engine, which)

    def explain(self, task_id: str) -> str:
        """As `hypern.explain`, for the tasks of this app's engine."""
        return explain_to(self.engine, task_id)

    def every(self, *, seconds: float, catch_up: bool = False, overlap: bool = True) -> Recur:
        """As `hypern.every`, for tasks that run in this app's engine."""
        return Recur(lambda: self.engine, Every(seconds), catch_up, overlap)

    def cron(
        self, expression: str, *, tz: str = "UTC", catch_up: bool = False, overlap: bool = True
    ) -> Recur:
        """As `hypern.cron`, for tasks that run in this app's engine."""
        return Recur(lambda: self.engine, Cron(expression, tz), catch_up, overlap)

    async def _on_start(self) -> None:
        self.engine.start()

    async def _on_stop(self) -> None:
        await stop_in_order(self.engine, self.stop_now)

    def listen(
        self,
        port: int = 3000,
        host: str = "127.0.0.1",
        callback: Callable[[], Any] | None = None,
        *,
        workers: int = 1,
        task_processes: int = 0,
        backlog: int = 1024,
        ssl_cert: str | os.PathLike[str] | None = None,
        ssl_key: str | os.PathLike[str] | None = None,
    ) -> None:
        """As `WebApp.listen`. In the end tasks get `task_grace_seconds` after the requests.

        With `task_processes=2` the processes that serve run no tasks: two others do, and a task that is
        busy computing delays no answer. They are runs of the same program, too, up to this call.
        """
        self._check_processes(workers, task_processes)
        listening = Listening(host, port, backlog, ssl_cert, ssl_key)
        self._listen(listening, callback, workers, task_processes)

    def run_tasks(
        self,
        *,
        workers: int | None = None,
        queues: Iterable[str] | None = None,
        on_started: Callable[[], None] | None = None,
    ) -> None:
        """Run tasks that other processes submit, until SIGINT, SIGTERM or `stop()`; serve nothing.

        `workers`: as `task_workers`. `queues`: the names of those whose tasks are run; None: all.
        `on_started` is called when tasks can run. ConfigurationError if no other process could submit any.
        """
        only_tasks(self.engine, workers, None if queues is None else tuple(queues))
        self._run_until_stopped(TaskProcess(self, None, on_started))

    def stop_seconds(self) -> float:
        return super().stop_seconds() + self.engine.settings.task_grace_seconds

    def _check_processes(self, web: int, task: int) -> None:
        super()._check_processes(web, task)
        if not isinstance(task, int) or isinstance(task, bool) or task < 0:
            raise ConfigurationError(f"task_processes={task!r} has to be a whole number, 0 or more.")
        if (web > 1 or task) and self.engine.settings.task_store.startswith("memory:"):
            raise ConfigurationError(
                _ALONE.format(
                    f"with workers={web} and task_processes={task} each process would keep tasks of its own "
                    "and answer 404 for those of the others. Serve with one (workers=1)."
                )
            )

    def _become(self, child: Child | None, task: int) -> None:
        if child is not None and child.role == "task":
            only_tasks(self.engine, None, None)
        elif child is None or task:
            self._set(task_workers=0)

    def _set(self, **settings: Any) -> None:
        # The program may have submitted tasks already, which has started it.
        self.engine.stop()
        self.engine.settings = replace(self.engine.settings, **settings)


async def _answer_queue_unavailable(req: Request, res: Response, error: QueueUnavailable) -> None:
    logger.error("%s %s: %s", req.method, req.path, error)
    answer = ServiceUnavailable("Tasks cannot be taken at the moment; try again later.")
    res.status(answer.status_code).header("Retry-After", str(error.retry_after)).json(answer.to_dict())


async def _answer_queue_full(req: Request, res: Response, error: QueueFull) -> None:
    answer = ServiceUnavailable("Too many tasks are waiting; try again later.")
    res.status(answer.status_code).header("Retry-After", str(error.retry_after)).json(answer.to_dict())
