"""Log lines that say which task, which request and which trace they belong to.

`LogFields` brings the id of the request to its tasks; `TaskLogFilter` puts what is known into each record,
for any formatter; `JsonFormatter` writes records as JSON, with these fields and those given as `extra`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from hypern.errors import ConfigurationError
from hypern.http.context import Context
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.records import TaskRecord
from hypern.tasks.companions import Companion
from hypern.tasks.current import running
from hypern.tasks.engine import Engine

# Of the request that is being answered here, or that has submitted the task that runs here.
_request_id: ContextVar[str | None] = ContextVar("hypern_request_id", default=None)

# What `logging` itself puts into a record; the rest came with it as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFields(Companion):
    """Lets the lines of a request, and of the tasks that it submits, tell of its id: `app.use(LogFields())`.

    The id is `ctx.request_id`; to take it from a header, use the middleware `RequestId` before.
    """

    def install(self, app: Any) -> None:
        """`app.use` calls it. ConfigurationError for a router."""
        engine = getattr(app, "engine", None)
        if not isinstance(engine, Engine):
            raise ConfigurationError("LogFields are for a whole app: app.use(LogFields()), without a path.")
        engine.companions.add(self)
        app.use(self._serve)

    async def _serve(self, req: Request, res: Response, ctx: Context, next: Callable[[], Any]) -> None:
        token = _request_id.set(ctx.request_id)
        try:
            await next()
        finally:
            _request_id.reset(token)

    def submitting(self, records: Sequence[TaskRecord]) -> None:
        request_id = _request_id.get()
        if request_id is not None:
            for record in records:
                record.trail = {**(record.trail or {}), "request_id": request_id}

    def beginning(self, record: TaskRecord) -> None:
        self.following(record)

    def following(self, record: TaskRecord) -> None:
        # Also where there is none: in memory the task has the variables of its submitter.
        _request_id.set((record.trail or {}).get("request_id"))

    def passing_on(self, trail: dict[str, str]) -> None:
        request_id = _request_id.get()
        if request_id is not None:
            trail["request_id"] = request_id


def known_fields() -> dict[str, Any]:
    """What is known of where this is called: `task_id`, `task_name`, `attempt` in a task, `request_id` where
    `LogFields` brought it, `trace_id` and `span_id` while a span of OpenTelemetry is current."""
    found: dict[str, Any] = {}
    run = running.get()
    if run is not None:
        record, attempt = run[0], run[1]
        found = {"task_id": record.id, "task_name": record.name, "attempt": attempt}
    request_id = _request_id.get()
    if request_id is not None:
        found["request_id"] = request_id
    # Without it being imported by somebody there is no span.
    tracing = sys.modules.get("opentelemetry.trace")
    if tracing is not None:
        span = tracing.get_current_span().get_span_context()
        if span.is_valid:
            found["trace_id"], found["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    return found


class TaskLogFilter(logging.Filter):
    """Lets every record through, with the fields of `known_fields` as attributes: for a formatter such as
    `"%(task_id)s %(message)s"`. What is not known is `default`; what a record has already stays.

    To be added to handlers: `handler.addFilter(TaskLogFilter())`.
    """

    FIELDS = ("task_id", "task_name", "attempt", "request_id", "trace_id", "span_id")

    def __init__(self, default: Any = "-") -> None:
        super().__init__()
        self._default = default

    def filter(self, record: logging.LogRecord) -> bool:
        known = known_fields()
        for name in self.FIELDS:
            if not hasattr(record, name):
                setattr(record, name, known.get(name, self._default))
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC, ISO 8601), `level`, `logger`, `message`, what `known_fields` and
    the record's `extra` say, and `exception`, the traceback. What JSON cannot say is written as by `repr`.

    `fields`: further ones for every line, such as `{"service": "shop"}`.
    """

    def __init__(self, fields: dict[str, Any] | None = None) -> None:
        super().__init__()
        self._fields = dict(fields or {})

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
            **known_fields(),
            **{name: value for name, value in vars(record).items() if name not in _OWN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        # Only ASCII, and no control character: what is logged cannot end its line.
        return json.dumps(line, default=_said, skipkeys=True)


def _said(value: object) -> str:
    try:
        return repr(value)
    except Exception as broken:
        return f"<{type(value).__name__}, whose repr raises {type(broken).__name__}>"
