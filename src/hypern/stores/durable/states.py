"""The states of a task as they are kept."""

from __future__ import annotations

from hypern.records import TaskStatus

# Outside, READY and SCHEDULED both read PENDING: delayed tasks are kept out of the index that claims go
# through, which a hundred thousand of them would make ten times slower.
READY, SCHEDULED, RUNNING, COMPLETED, FAILED, CANCELLED = range(6)
# Only counted: tasks that have ended and are forgotten.
PRUNED = 6
# Of these there may be few among very many, so each has an index by the order of adding.
WITH_INDEX = (RUNNING, FAILED, CANCELLED)
# The numbers that `QueueTotals` has of them.
FIELDS = ("waiting", "delayed", "running", "completed", "failed", "cancelled", "pruned")

STATUS = (
    TaskStatus.PENDING,
    TaskStatus.PENDING,
    TaskStatus.RUNNING,
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
)


def is_state(number: int) -> bool:
    """Whether it is one; where somebody has edited the tables it may be any number."""
    return 0 <= number < len(STATUS)


def status_of(number: int) -> TaskStatus:
    """What a task is shown as. With a state that is none it is never run, and is not to be waited for."""
    return STATUS[number] if is_state(number) else TaskStatus.FAILED
