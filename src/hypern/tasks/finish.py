"""Finish: from the outcome of an attempt and the rules of its task to the state that follows it."""

from __future__ import annotations

import logging
from typing import assert_never

from hypern.records import Again, Cancelled, Completed, Ending, Failed, Outcome, TaskRecord, Wanted
from hypern.tasks.retry import backoff, may_ask_again, may_try_again

logger = logging.getLogger("hypern.tasks")


def decide(record: TaskRecord, outcome: Outcome, steady: float) -> Ending:
    """What becomes of the task after this attempt. Pure but for the jitter of a retry."""
    match outcome:
        case Completed() | Cancelled():
            return outcome
        case Failed(error, traceback):
            if not may_try_again(record, outcome):
                return outcome
            return Again(error, traceback, steady + backoff(record.attempt, record.spec.rules.backoff))
        case Wanted():
            return _grant(record, outcome, steady)
        case _:
            assert_never(outcome)


def _grant(record: TaskRecord, wish: Wanted, steady: float) -> Ending:
    if record.cancel_requested:
        return Cancelled()
    if wish.counts and not may_ask_again(record):
        return Failed(f"{wish.reason} (after the last attempt, number {record.attempt})", "")
    wait = wish.delay
    if wait is None:
        wait = backoff(record.attempt, record.spec.rules.backoff)
    return Again(wish.reason, None, steady + wait, wish.counts)


def log_failure(record: TaskRecord, attempt: int, ending: Failed | Again) -> None:
    """One line and the traceback for an attempt that raised. A broken logging handler harms nobody."""
    try:
        if isinstance(ending, Again):
            if ending.counts:
                logger.warning(
                    "task %s %s failed at attempt %d and will be tried again: %s",
                    record.name, record.id, attempt, ending.error, extra=_fields(record, attempt, "retried"),
                )  # fmt: skip
        else:
            logger.error(
                "task %s %s failed\n%s", record.name, record.id, ending.traceback or ending.error,
                extra=_fields(record, attempt, "failed"),
            )  # fmt: skip
    except BaseException:
        # logging reports its own handlers' errors on stderr; there is nobody else left to tell.
        return


def _fields(record: TaskRecord, attempt: int, outcome: str) -> dict[str, object]:
    """What a line about an attempt that has ended carries for formatters and filters."""
    found: dict[str, object] = {
        "task_id": record.id,
        "task_name": record.name,
        "attempt": attempt,
        "task_outcome": outcome,
    }
    if record.trail is not None and "request_id" in record.trail:
        found["request_id"] = record.trail["request_id"]
    return found
