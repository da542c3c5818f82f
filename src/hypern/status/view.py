"""What the status of a task looks like in JSON, and the tag that changes with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hypern.http.jsons import encode_json
from hypern.records import TaskRecord
from hypern.results import TaskResult

_UNSAYABLE = "the result cannot be said in JSON"


@dataclass(frozen=True, slots=True)
class View:
    """One moment of a task. `data`: for JSON, never its arguments; `tag`: another one whenever `data` is."""

    data: dict[str, Any]
    tag: str
    has_ended: bool


class Viewer:
    """`result`, `error`: whether these are shown."""

    def __init__(self, result: bool, error: bool) -> None:
        self._result = result
        self._error = error

    def view(self, record: TaskRecord) -> View:
        task = TaskResult.of(record)
        data: dict[str, Any] = {
            "id": task.task_id,
            "status": task.status.value,
            "attempt": task.attempt,
            "cancel_requested": task.cancel_requested,
            "progress": None,
            "submitted_at": _said(task.submitted_at),
            "started_at": _said(task.started_at),
            "finished_at": _said(task.finished_at),
        }
        if task.progress is not None:
            data["progress"] = {"fraction": task.progress.fraction, "message": task.progress.message}
        if self._result and task.is_success():
            data["result"], data["result_omitted"] = task.result, task.result_omitted
        if self._error:
            data["error"], data["reason"] = task.error, task.reason
        try:
            encoded = encode_json(data)
        except (TypeError, ValueError):
            data["result"], data["result_omitted"] = None, _UNSAYABLE
            encoded = encode_json(data)
        return View(data, hashlib.blake2b(encoded, digest_size=12).hexdigest(), task.is_done())


def _said(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
