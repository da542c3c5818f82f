"""Finish: from the outcome of an attempt and the retry rule to the state that follows it."""

from __future__ import annotations

import logging
from typing import assert_never

from hypern.records import Again, Cancelled, Completed, Ending, Failed, Outcome, TaskRecord
from hypern.tasks.retry import backoff

logger = logging.getLogger("hypern.tasks")


def decide(record: TaskRecord, outcome: Outcome, steady: float) -> Ending:
    """What becomes of the task after this attempt. Pure but for the jitter of a retry."""
    match outcome:
        case Completed() | Cancelled():
            return outcome
        case Failed(error, traceback):
            if record.attempt <= record.retries and not record.cancel_requested:
                return Again(error, traceback, steady + backoff(record.attempt))
            return outcome
        case _:
            assert_never(outcome)


def log_failure(record: TaskRecord, ending: Failed | Again) -> None:
    """One line and the traceback for an attempt that raised. A broken logging handler harms nobody."""
    try:
        if isinstance(ending, Again):
            logger.warning(
                "task %s %s failed at attempt %d of %d and will be tried again: %s",
                record.name, record.id, record.attempt, record.retries + 1, ending.error,
            )  # fmt: skip
        else:
            logger.error("task %s %s failed\n%s", record.name, record.id, ending.traceback)
    except BaseException:
        # logging reports its own handlers' errors on stderr; there is nobody else left to tell.
        return
