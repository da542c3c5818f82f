"""Tasks in a program of another framework: started and stopped with it, or run by a process of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from hypern.config import Settings
from hypern.errors import ConfigurationError
from hypern.processes.tasks import TaskProcess
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine

# How often a stop looks whether it is to hurry (seconds).
_LOOK_EVERY = 0.05


@asynccontextmanager
async def lifespan(app: object = None) -> AsyncIterator[None]:
    """Run tasks while an application lives: `FastAPI(lifespan=hypern.lifespan)`, or
    `async with hypern.lifespan():` in a lifespan of your own. At its end what runs and is due gets
    `task_grace_seconds`."""
    engine = current_engine()
    engine.start()
    try:
        yield
    finally:
        await stop_in_order(engine, threading.Event())


def start_workers() -> None:
    """Run tasks from now on, instead of from the first one that is submitted here: those that other
    processes, or this one before a crash, left in a durable store, and recurring ones. Where a server forks
    its workers, call it in each of them."""
    current_engine().start()


async def stop_in_order(engine: Engine, stop_now: threading.Event) -> None:
    """Stop an engine without holding up the event loop. `stop_now`: set when nothing is to be waited for."""
    stopping = asyncio.ensure_future(asyncio.to_thread(engine.stop))
    while not stopping.done():
        await asyncio.wait({stopping}, timeout=_LOOK_EVERY)
        if stop_now.is_set():
            engine.hurry()
    stopping.result()


def run_worker(
    workers: int | None = None,
    queues: tuple[str, ...] | None = None,
    on_started: Callable[[Engine], None] | None = None,
) -> None:
    """Run the tasks of a program that has no `Hypern` app until SIGINT or SIGTERM.

    `workers`: threads; None: as configured. `queues`: of these only. `on_started` is called when they run.
    Raises ConfigurationError if no other process could submit any.
    """
    engine = current_engine()
    only_tasks(engine, workers, queues)
    TaskProcess(_Alone(engine), None, lambda: on_started and on_started(engine)).run()


def only_tasks(engine: Engine, workers: int | None, queues: tuple[str, ...] | None) -> None:
    """Set an engine up for a process that only runs tasks."""
    if engine.settings.task_store.startswith("memory:"):
        raise ConfigurationError(
            "the store 'memory://' belongs to one process: a process that only runs tasks would never see "
            "one. Several need a store that they share, such as task_store='sqlite:///tasks.db'."
        )
    if workers is None:
        # One that leaves its tasks to others is one of those others here.
        workers = engine.settings.task_workers or Settings().task_workers
    # The program may have submitted tasks already, which has started it.
    engine.stop()
    engine.settings = replace(
        engine.settings,
        task_workers=workers,
        task_queues=engine.settings.task_queues if queues is None else queues,
    )


class _Alone:
    """An engine as what a process for tasks starts and stops."""

    def __init__(self, engine: Engine) -> None:
        self.stop_now = threading.Event()
        self._engine = engine

    async def startup(self) -> None:
        self._engine.start()

    async def shutdown(self) -> None:
        await stop_in_order(self._engine, self.stop_now)

    def stop_seconds(self) -> float:
        return self._engine.settings.task_grace_seconds
