"""States, their table, and the view of a task that users get."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from hypern.records import TERMINAL, TRANSITIONS, Progress, TaskStatus
from hypern.results import TaskResult
from hypern.stores.conformance.suite import NOW, make_record, task_function


def test_a_status_is_its_word() -> None:
    """A status is a str whose name and value are the lower-case word, found by the upper-case one."""
    status = TaskStatus.COMPLETED
    assert status == "completed"
    assert (status.name, status.value, str(status), f"{status:>10}") == (*["completed"] * 3, " completed")
    assert TaskStatus["COMPLETED"] is TaskStatus("completed") is status
    assert (
        json.dumps({"status": status, "name": status.name}) == '{"status": "completed", "name": "completed"}'
    )
    assert {status: 1}["completed"] == 1
    assert [member.name for member in TaskStatus] == [
        "pending",
        "running",
        "completed",
        "failed",
        "cancelled",
    ]


def test_no_state_follows_a_terminal_one() -> None:
    """The table has an entry for every state, and the terminal ones are those that nothing follows."""
    assert set(TRANSITIONS) == set(TaskStatus)
    assert {status for status, following in TRANSITIONS.items() if not following} == TERMINAL


@pytest.mark.parametrize("status", list(TaskStatus))
def test_questions_of_a_result(status: TaskStatus) -> None:
    """Each `is_…` is true in its own states and in no others; done and pending are opposites."""
    record = make_record()
    record.status = status
    result = TaskResult.of(record)
    assert result.is_success() is (status == "completed")
    assert result.is_failed() is (status == "failed")
    assert result.is_cancelled() is (status == "cancelled")
    assert result.is_running() is (status == "running")
    assert result.is_done() is (status in TERMINAL)
    assert result.is_pending() is not result.is_done()


def test_times_are_aware() -> None:
    """Times are aware and in UTC; those that have not come are None."""
    record = make_record()
    result = TaskResult.of(record)
    assert (result.started_at, result.finished_at) == (None, None)
    record.started_at, record.finished_at = NOW + 1, NOW + 2.5
    result = TaskResult.of(record)
    assert result.submitted_at == datetime.fromtimestamp(NOW, UTC)
    assert result.started_at is not None
    assert result.finished_at is not None
    assert result.finished_at - result.started_at == timedelta(seconds=1.5)
    assert result.submitted_at.utcoffset() == timedelta(0)


def test_the_error_of_an_attempt_that_is_tried_again() -> None:
    """`error` and `traceback` are told of a FAILED task only, not of one that gets another attempt."""
    record = make_record()
    record.error, record.traceback = "ValueError: once", "text"
    assert (TaskResult.of(record).error, TaskResult.of(record).traceback) == (None, None)
    record.status = TaskStatus.FAILED
    assert (TaskResult.of(record).error, TaskResult.of(record).traceback) == ("ValueError: once", "text")


def test_a_result_is_a_snapshot() -> None:
    """A result cannot be written to, and its kwargs are a dict of its own."""
    record = make_record(args=(1,), kwargs={"two": 2})
    record.progress = Progress(0.5, "half")
    result = TaskResult.of(record)
    assert (result.func, result.args, result.kwargs) == (task_function, (1,), {"two": 2})
    assert result.progress == Progress(0.5, "half")
    result.kwargs["two"] = 3
    assert record.kwargs == {"two": 2}
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.status = TaskStatus.COMPLETED  # type: ignore[misc]
