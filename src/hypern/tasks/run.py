"""Run: call the function of a claimed task and say how it ended. Decides nothing, stores nothing."""

from __future__ import annotations

from asyncio import CancelledError
from contextvars import Context
from types import CoroutineType
from typing import Any

from hypern.records import Cancelled, Completed, Failed, Outcome, TaskRecord
from hypern.stores.base import Store
from hypern.tasks.current import running
from hypern.tasks.failure import failure

_NEVER_AWAITED = "the function returned a coroutine; declare it with 'async def' to have it awaited"


def own_context(record: TaskRecord) -> Context:
    """The context that one attempt runs in: the submitter's variables, and nobody else's changes."""
    return Context() if record.context is None else record.context.copy()


def run_plain(record: TaskRecord, store: Store) -> Outcome:
    """Call a plain function here. Whatever it raises is an outcome, also SystemExit."""
    try:
        value = own_context(record).run(_call, record, store)
    except BaseException as exception:
        return _ended_by(exception, record)
    if type(value) is CoroutineType:
        value.close()
        return Completed(None, _NEVER_AWAITED)
    return Completed(value)


async def run_coroutine(record: TaskRecord, store: Store) -> Outcome:
    """Await a coroutine function here; the caller has made `own_context` the current one.

    SystemExit and KeyboardInterrupt must not leave a coroutine: they would end the loop under all others.
    """
    running.set((record, record.attempt, store))
    try:
        return Completed(await record.target(*record.args, **record.kwargs))
    except BaseException as exception:
        return _ended_by(exception, record)


def _call(record: TaskRecord, store: Store) -> Any:
    running.set((record, record.attempt, store))
    return record.target(*record.args, **record.kwargs)


def _ended_by(exception: BaseException, record: TaskRecord) -> Cancelled | Failed:
    if isinstance(exception, CancelledError) and record.cancel_requested:
        return Cancelled()
    return failure(exception)
