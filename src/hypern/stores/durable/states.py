"""The states of a task as they are kept."""

from __future__ import annotations

from hypern.records import TaskStatus

# Outside, READY and SCHEDULED both read PENDING: delayed tasks are kept out of the index that claims go
# through, which a hundred thousand of them would make ten times slower.
READY, SCHEDULED, RUNNING, COMPLETED, FAILED, CANCELLED = range(6)

STATUS = (
    TaskStatus.PENDING,
    TaskStatus.PENDING,
    TaskStatus.RUNNING,
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
)
