"""Steering: repeat ended tasks, forget them, let delayed ones wait no longer; one, or all that are meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Unpack

from hypern.records import Lane, TaskStatus
from hypern.stores.overview import Filter
from hypern.tasks.channel import is_child
from hypern.tasks.engine import Engine
from hypern.tasks.filters import ENDED, NOT_ENDED, TaskFilter, to_filter
from hypern.tasks.ids import is_possible_id, new_id
from hypern.tasks.runtime import current_engine, engines_to_ask

# So many tasks are looked up, or forgotten, together.
_AT_ONCE = 500

Told = Callable[[int], None]


def retry_task(task_id: str) -> str | None:
    """Submit a task that has ended once more: its function, arguments and options as they were, under a new
    id, which is returned; the ended one stays. None: unknown, or not ended.

    Raises QueueFull, EngineStopped.
    """
    return next((made for engine in engines_to_ask() if (made := retry_in(engine, task_id))), None)


def delete_task(task_id: str) -> bool:
    """Forget a task that has ended. False: unknown, or not ended."""
    return any(delete_in(engine, task_id) for engine in engines_to_ask())


def run_task_now(task_id: str) -> bool:
    """Let a delayed task, or one that waits to be tried again, wait for a worker now. False: it is none."""
    return any(run_now_in(engine, task_id) for engine in engines_to_ask())


def retry_tasks(**which: Unpack[TaskFilter]) -> int:
    """`retry_task` for all ended tasks that are meant, the failed ones unless `status` says so; how many
    were submitted. `count_tasks` with the same words tells it beforehand. Each is submitted by itself: what
    this raises in the midst, QueueFull perhaps, takes none of them back."""
    return retry_all_in(current_engine(), which)


def cancel_tasks(**which: Unpack[TaskFilter]) -> int:
    """`cancel_task` for all tasks that are meant and have not ended; how many were cancelled or asked to
    stop."""
    return cancel_all_in(current_engine(), which)


def delete_tasks(**which: Unpack[TaskFilter]) -> int:
    """`delete_task` for all tasks that are meant and have ended; how many were forgotten."""
    return delete_all_in(current_engine(), which)


def retry_in(engine: Engine, task_id: object) -> str | None:
    """`retry_task` for the tasks of one engine."""
    if not is_possible_id(task_id):
        return None
    wall = engine.clock.wall()
    made_id = new_id(wall)
    made = engine.store.again(task_id, made_id, engine.clock.steady(), wall)
    if made is None:
        return None
    _wake(engine)
    if made == made_id and engine.events.listeners and (record := engine.store.get(made)) is not None:
        engine.events.emit("submitted", made, record.name, 0)
    return made


def delete_in(engine: Engine, task_id: object) -> bool:
    """`delete_task` for the tasks of one engine."""
    return is_possible_id(task_id) and engine.store.delete([task_id]) > 0


def run_now_in(engine: Engine, task_id: object) -> bool:
    """`run_task_now` for the tasks of one engine."""
    if not is_possible_id(task_id):
        return False
    if not engine.store.hasten(task_id, engine.clock.steady(), engine.clock.wall()):
        return False
    _wake(engine)
    return True


def retry_all_in(engine: Engine, which: TaskFilter, told: Told | None = None) -> int:
    """`retry_tasks` for the tasks of one engine. `told`: is told how many it has been."""
    chosen = to_filter(which, ENDED, (TaskStatus.FAILED,))
    return _each(engine, chosen, lambda task_id: retry_in(engine, task_id) is not None, told)


def cancel_all_in(engine: Engine, which: TaskFilter, told: Told | None = None) -> int:
    """`cancel_tasks` for the tasks of one engine."""
    return _each(engine, to_filter(which, NOT_ENDED), engine.cancel, told)


def delete_all_in(engine: Engine, which: TaskFilter, told: Told | None = None) -> int:
    """`delete_tasks` for the tasks of one engine."""
    deleted = 0
    for ids in _ids(engine, to_filter(which, ENDED)):
        deleted += engine.store.delete(ids)
        if told is not None:
            told(deleted)
    return deleted


def _each(engine: Engine, which: Filter, do: Callable[[str], bool], told: Told | None) -> int:
    done = 0
    for ids in _ids(engine, which):
        for task_id in ids:
            done += do(task_id)
            if told is not None:
                told(done)
    return done


def _ids(engine: Engine, which: Filter) -> Iterator[list[str]]:
    """The ids of those that are there now: the pages go back in time, so what is added is not met."""
    after = None
    while True:
        found = engine.store.ids(which, after, _AT_ONCE)
        if found.ids:
            yield found.ids
        after = found.after
        if after is None:
            return


def _wake(engine: Engine) -> None:
    """There is work that nobody was told of."""
    if not is_child():
        engine.start()
    engine.on_ready(tuple(Lane))
