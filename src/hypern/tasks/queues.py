"""Queues as a whole: pause, resume, limit."""

from __future__ import annotations

from hypern.errors import InvalidOption
from hypern.stores.base import QueueState
from hypern.tasks.engine import Engine
from hypern.tasks.options import queue_name
from hypern.tasks.runtime import current_engine


def pause_queue(name: str) -> None:
    """Start no further task of this queue; what runs goes on. In a store that processes share it holds for
    all of them, also for those that start later. Raises InvalidOption."""
    pause_queue_of(current_engine(), name, True)


def resume_queue(name: str) -> None:
    """Start the tasks of this queue again. Raises InvalidOption."""
    pause_queue_of(current_engine(), name, False)


def limit_queue(name: str, limit: int | None) -> None:
    """Let at most `limit` tasks of this queue run at the same time, in all processes together; None: any
    number. Raises InvalidOption."""
    limit_queue_of(current_engine(), name, limit)


def queue_states() -> list[QueueState]:
    """The queues that have tasks to run, are paused or have a limit, by name."""
    return current_engine().store.queues()


def pause_queue_of(engine: Engine, name: str, paused: bool) -> None:
    engine.store.set_queue(queue_name("queue", name), paused=paused)


def limit_queue_of(engine: Engine, name: str, limit: int | None) -> None:
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidOption(f"the limit of a queue is a whole number, 1 or more, or None, not {limit!r}.")
    engine.store.set_queue(queue_name("queue", name), limit=limit or 0)
