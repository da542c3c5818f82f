"""Run: call the function of a claimed task and say how it ended. Decides nothing, stores nothing."""

from __future__ import annotations

from asyncio import CancelledError
from contextvars import Context
from types import CoroutineType
from typing import Any

from hypern.records import Cancelled, Completed, Failed, Outcome, TaskRecord, Wanted
from hypern.stores.base import Store
from hypern.tasks.companions import NOBODY, Attendance, Companions
from hypern.tasks.current import running
from hypern.tasks.failure import failure
from hypern.tasks.wishes import Cancel, Retry, Snooze, Wish

_NEVER_AWAITED = "the function returned a coroutine; declare it with 'async def' to have it awaited"
_NOT_A_RESULT = frozenset({CoroutineType, Retry, Snooze, Cancel})


def own_context(record: TaskRecord) -> Context:
    """The context that one attempt runs in: the submitter's variables, and nobody else's changes."""
    return Context() if record.context is None else record.context.copy()


def run_plain(record: TaskRecord, store: Store, companions: Companions = NOBODY) -> Outcome:
    """Call a plain function here. Whatever it raises is an outcome, also SystemExit."""
    try:
        value = own_context(record).run(_call, record, store, companions)
    except BaseException as exception:
        return _ended_by(exception, record)
    return _special(value, record) if type(value) in _NOT_A_RESULT else Completed(value)


async def run_coroutine(record: TaskRecord, store: Store, companions: Companions = NOBODY) -> Outcome:
    """Await a coroutine function here; the caller has made `own_context` the current one.

    SystemExit and KeyboardInterrupt must not leave a coroutine: they would end the loop under all others.
    """
    running.set((record, record.attempt, record.fence, store))
    attendance = Attendance(companions, record) if companions.members else None
    try:
        value = await record.spec.target(*record.args, **record.kwargs)
    except BaseException as exception:
        if attendance is not None:
            attendance.raised(exception)
        return _ended_by(exception, record)
    if attendance is not None:
        attendance.returned(value)
    return _special(value, record) if type(value) in _NOT_A_RESULT else Completed(value)


def _call(record: TaskRecord, store: Store, companions: Companions) -> Any:
    running.set((record, record.attempt, record.fence, store))
    if not companions.members:
        return record.spec.target(*record.args, **record.kwargs)
    attendance = Attendance(companions, record)
    try:
        value = record.spec.target(*record.args, **record.kwargs)
    except BaseException as exception:
        attendance.raised(exception)
        raise
    attendance.returned(value)
    return value


def _special(value: Any, record: TaskRecord) -> Outcome:
    if isinstance(value, Wish):
        return _ended_by(value, record)
    try:
        value.close()
    except BaseException as exception:
        return failure(exception)
    return Completed(None, _NEVER_AWAITED)


def _ended_by(exception: BaseException, record: TaskRecord) -> Cancelled | Failed | Wanted:
    if isinstance(exception, Wish):
        try:
            return exception.outcome()
        except BaseException as broken:
            # One that was not made as usual, or the base of them all.
            return failure(broken)
    if isinstance(exception, CancelledError) and record.cancel_requested:
        return Cancelled()
    return failure(exception)
