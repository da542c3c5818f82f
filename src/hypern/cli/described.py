"""Tasks as lines for people and as data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypern.cli.output import safe, safe_lines
from hypern.clock import date_of
from hypern.records import Attempt, TaskRecord, TaskStatus
from hypern.redacting import Shown
from hypern.stores.findings import Finding
from hypern.stores.overview import LogLine
from hypern.tasks.engine import Engine
from hypern.tasks.explain import explain_to

Data = dict[str, Any]

HEADINGS = ("ID", "STATUS", "SUBMITTED", "TOOK", "ATTEMPT", "QUEUE", "NAME", "ERROR")
_LONGEST_CELL = 60
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def row(engine: Engine, record: TaskRecord) -> tuple[object, ...]:
    """A task in one line of a table with these `HEADINGS`."""
    return (
        record.id,
        state(engine, record),
        local(record.submitted_at),
        took(engine, record),
        record.attempt,
        _short(record.spec.queue),
        _short(record.name),
        record.reason or "" if record.status is TaskStatus.COMPLETED else record.error or record.reason or "",
    )


def state(engine: Engine, record: TaskRecord) -> str:
    """The state in one word; `delayed` for a pending task whose time is still to come."""
    if record.status is TaskStatus.PENDING and due(engine, record) is not None:
        return "delayed"
    return record.status.value


def due(engine: Engine, record: TaskRecord) -> float | None:
    """The wall-clock second at which a delayed task may start; None for one that is not delayed."""
    if record.status is not TaskStatus.PENDING or record.due is None:
        return None
    wait = record.due - engine.clock.steady()
    return engine.clock.wall() + wait if wait > 0 else None


def took(engine: Engine, record: TaskRecord) -> str:
    """How long its last attempt ran, or has been running."""
    if record.status is TaskStatus.PENDING or not record.started_at:
        return ""
    end = engine.clock.wall() if record.status is TaskStatus.RUNNING else record.finished_at
    return span(max(0.0, end - record.started_at))


def span(seconds: float) -> str:
    """`3.2 ms`, `12.0 s`, `5 m 10 s`, `2 h 5 m`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    raise AssertionError


def local(wall: float) -> str:
    """A wall-clock second in the time of this machine."""
    found = date_of(wall)
    return "after the year 9999" if found is None else f"{found:%Y-%m-%d %H:%M:%S}"


def as_data(engine: Engine, record: TaskRecord) -> Data:
    """A task in a list. Times: ISO 8601, in UTC."""
    progress = record.progress
    return {
        "id": record.id,
        "name": record.name,
        "queue": record.spec.queue,
        "status": record.status.value,
        "priority": record.spec.priority,
        "attempt": record.attempt,
        "submitted_at": _iso(record.submitted_at),
        "due_at": _iso(due(engine, record)),
        "started_at": _iso(record.started_at),
        "finished_at": _iso(record.finished_at),
        "error": record.error,
        "reason": record.reason,
        "progress": progress and {"fraction": progress.fraction, "message": progress.message},
        "cancel_requested": record.cancel_requested,
        "origin": record.origin,
    }


def all_data(engine: Engine, record: TaskRecord, lines: Sequence[LogLine], with_values: bool) -> Data:
    """All there is of a task. `with_values`: its arguments and its result, but for what is secret."""
    data = as_data(engine, record)
    data["explanation"] = explain_to(engine, record.id)
    data["traceback"] = record.traceback
    data["result_omitted"] = record.result_omitted
    data["attempts"] = [
        {
            "number": attempt.number,
            "started_at": _iso(attempt.started_at),
            "finished_at": _iso(attempt.finished_at),
            "error": attempt.error,
            "traceback": attempt.traceback,
        }
        for attempt in record.history
    ]
    data["log"] = [
        {"at": _iso(line.at), "level": _level(line.level), "logger": line.logger, "text": line.text}
        for line in lines
    ]
    if with_values:
        data["arguments"] = [
            {"name": name, "value": value}
            for name, value in Shown().call(record.spec.target, record.args, record.kwargs)
        ]
        data["result"] = Shown().value(record.result)
    return data


def all_lines(engine: Engine, record: TaskRecord, lines: Sequence[LogLine], with_values: bool) -> list[str]:
    """The same, for people."""
    said = [
        ("id", record.id),
        ("name", record.name),
        ("queue", record.spec.queue),
        ("status", f"{state(engine, record)}{', asked to stop' if record.cancel_requested else ''}"),
        ("submitted", local(record.submitted_at)),
    ]
    if (at := due(engine, record)) is not None:
        said.append(("due", local(at)))
    if record.started_at:
        said.append(("started", local(record.started_at)))
        said.append(("took", took(engine, record)))
    if record.finished_at:
        said.append(("finished", local(record.finished_at)))
    said.append(("attempt", str(record.attempt)))
    if record.progress is not None:
        message = f" {record.progress.message}" if record.progress.message else ""
        said.append(("progress", f"{record.progress.fraction:.0%}{message}"))
    if record.origin is not None:
        said.append(("repeats", record.origin))
    said += _values(record, with_values)
    text = [f"{heading:10}{safe(value)}" for heading, value in said if value]
    text += ["", *safe_lines(explain_to(engine, record.id))]
    for attempt in record.history:
        text += _attempt_lines(attempt)
    if record.status is TaskStatus.FAILED and record.traceback and not record.history:
        text += ["", *safe_lines(record.traceback)]
    if lines:
        text += ["", "log"]
        text += [
            safe(f"{local(line.at)} {_level(line.level):8} {line.logger}: {line.text}") for line in lines
        ]
    return text


def finding_line(finding: Finding) -> str:
    """What was found out about a store or a machine, and what to do about it."""
    text = f"{finding.verdict.value:5}{finding.what}: {finding.found}"
    return safe(f"{text} — {finding.advice}" if finding.advice else text)


def _values(record: TaskRecord, with_values: bool) -> list[tuple[str, str]]:
    if not with_values:
        return [("arguments", "hidden (--args shows them)")] if record.args or record.kwargs else []
    said: list[tuple[str, str]] = []
    for name, value in Shown().call(record.spec.target, record.args, record.kwargs):
        said.append(("arguments" if not said else " ", f"{name}={value}"))
    if record.status is TaskStatus.COMPLETED:
        said.append(("result", record.result_omitted or Shown().value(record.result)))
    return said


def _attempt_lines(attempt: Attempt) -> list[str]:
    ran = span(max(0.0, attempt.finished_at - attempt.started_at))
    head = f"attempt {attempt.number}, {local(attempt.started_at)}, {ran}: {attempt.error}"
    return ["", safe(head), *(f"  {line}" for line in safe_lines(attempt.traceback or ""))]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _level(number: int) -> str:
    return _LEVELS.get(number, str(number))


def _iso(wall: float | None) -> str | None:
    if not wall:
        return None
    return (date_of(wall, UTC) or datetime.max.replace(tzinfo=UTC)).isoformat()
