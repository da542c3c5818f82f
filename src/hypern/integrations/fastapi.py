"""A drop-in for FastAPI's `BackgroundTasks`: the same parameter and method; tasks that have ids and are kept.

from hypern.integrations.fastapi import BackgroundTasks

@app.post("/orders")
def create(order: Order, tasks: BackgroundTasks):
    return {"task_id": tasks.add_task(send_mail, order.email)}
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Depends

from hypern.errors import InvalidTask
from hypern.records import TaskRecord
from hypern.tasks.anywhere import call_of
from hypern.tasks.engine import Engine
from hypern.tasks.submit import hand_over_all, new_record


class RequestTasks:
    """The tasks of one request. They are submitted, all or none, when the path operation has returned and
    before its answer is sent; if it raises, none is."""

    def __init__(self) -> None:
        self._records: dict[Engine, list[TaskRecord]] = {}

    def add_task(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        """Run `func(*args, **kwargs)` in the background once the request has gone well. The id it has then.

        `func` may be plain or decorated. Raises InvalidTask if the arguments do not fit, or for a task with
        `unique=`, of which only submitting tells the id.
        """
        task, args, kwargs = call_of(func, args, kwargs, {})
        if task.options.unique:
            raise InvalidTask(
                f"{task.name} is unique: only when it is submitted is it known which id stands for it. "
                "Call it instead of handing it to add_task()."
            )
        engine = task.engine()
        record = new_record(engine, task, args, kwargs)
        self._records.setdefault(engine, []).append(record)
        return record.id

    async def submit(self) -> None:
        """Submit what was added. Raises QueueFull, NotSerializable, …; nothing is queued then."""
        added, self._records = self._records, {}
        for engine, records in added.items():
            if engine.store.shared:
                await asyncio.to_thread(hand_over_all, engine, records)
            else:
                hand_over_all(engine, records)


async def _tasks_of_the_request() -> AsyncIterator[RequestTasks]:
    tasks = RequestTasks()
    yield tasks
    await tasks.submit()


# "function": it ends, and submits, before the answer is sent; a client that has an id can ask for it.
BackgroundTasks = Annotated[RequestTasks, Depends(_tasks_of_the_request, scope="function")]
