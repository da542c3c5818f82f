"""`app.use(Tracing())`: spans of OpenTelemetry for requests, for submitting and for running, linked.

request ──parent of──▶ submit ◀──link── run

The link is kept with the task (`TaskRecord.trail`, as W3C Trace Context writes it), so it holds in whichever
process, and after whatever restart, the task is run. A run has a context of its own: what one task leaves
current is not current in another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from hypern.errors import ConfigurationError
from hypern.http.context import Context
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.records import TaskRecord
from hypern.tasks.companions import Companion, Ended
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine
from hypern.tasks.wishes import Cancel, Wish
from hypern.telemetry.methods import METHODS

_propagator = TraceContextTextMapPropagator()


class Tracing(Companion):
    """Spans for the requests of an app and its tasks: `app.use(Tracing())`. What exports them is up to the
    OpenTelemetry SDK; without one nothing is recorded, and a trace that comes in is still passed on.

    `requests`: whether requests get spans; not where something else, such as an ASGI middleware of
    OpenTelemetry, has made one already. `continue_trace`: a run is a child of its submit, in the same trace,
    instead of the root of a trace of its own with a link. `tracer_provider`: unless given, the global one.
    """

    def __init__(
        self,
        *,
        requests: bool = True,
        continue_trace: bool = False,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        self._requests = requests
        self._continue = continue_trace
        self._tracer = trace.get_tracer("hypern", tracer_provider=tracer_provider)
        # The attempts under way, by id and number.
        self._open: dict[tuple[str, int], _Attempt] = {}

    def install(self, app: Any) -> None:
        """Trace an app and its tasks; `app.use` calls it. ConfigurationError for a router."""
        engine = getattr(app, "engine", None)
        if not isinstance(engine, Engine):
            raise ConfigurationError("Tracing is for a whole app: app.use(Tracing()), without a path.")
        engine.companions.add(self)
        if self._requests:
            app.use(self._serve)

    def install_alone(self) -> None:
        """In a program without a `Hypern` app: trace the tasks of its module-level functions. To be called
        after `configure`."""
        current_engine().companions.add(self)

    # -- requests -----------------------------------------------------------------------------------

    async def _serve(self, req: Request, res: Response, ctx: Context, next: Callable[[], Any]) -> None:
        if getattr(trace.get_current_span(), "kind", None) is SpanKind.SERVER:
            await next()
            return
        route = getattr(req.scope.get("route"), "path", None)
        method = req.method if req.method in METHODS else "_OTHER"
        attributes: dict[str, AttributeValue] = {
            "http.request.method": method,
            "url.path": req.path,
            "url.scheme": req.protocol,
        }
        if route is not None:
            attributes["http.route"] = route
        name = method if method != "_OTHER" else "HTTP"
        with self._tracer.start_as_current_span(
            f"{name} {route}" if route is not None else name,
            context=_propagator.extract(_headers(req), context=TraceContext()),
            kind=SpanKind.SERVER,
            attributes=attributes,
        ) as span:
            try:
                await next()
            except Exception:
                # It becomes an answer further out.
                span.set_attribute("http.response.status_code", 500)
                raise
            span.set_attribute("http.response.status_code", res.status_code)
            if res.status_code >= 500:
                span.set_status(StatusCode.ERROR)

    # -- submitting ---------------------------------------------------------------------------------

    def submitting(self, records: Sequence[TaskRecord]) -> Ended | None:
        if not records:
            return None
        stack = ExitStack()
        if len(records) == 1:
            span = self._submit_span(records[0], "submit", "send")
        else:
            span = self._tracer.start_span(
                "submit", kind=SpanKind.CLIENT, attributes={**_about("submit", "send"), _COUNT: len(records)}
            )
        stack.callback(span.end)
        stack.enter_context(trace.use_span(span, record_exception=True, set_status_on_exception=True))
        if len(records) == 1:
            _leave_trail(records[0], span)
        else:
            for record in records:
                with self._submit_span(record, "create", "create") as created:
                    _leave_trail(record, created)

        def ended(exception: BaseException | None, error: str | None) -> None:
            stack.__exit__(type(exception) if exception else None, exception, None)

        return ended

    def _submit_span(self, record: TaskRecord, operation: str, kind: str) -> Span:
        return self._tracer.start_span(
            f"{operation} {record.name}",
            kind=SpanKind.PRODUCER,
            attributes=_about_task(record, operation, kind),
        )

    # -- running ------------------------------------------------------------------------------------

    def beginning(self, record: TaskRecord) -> Ended | None:
        source = _propagator.extract(record.trail or {}, context=TraceContext())
        origin = trace.get_current_span(source).get_span_context()
        attributes = _about_task(record, "run", "process")
        attributes["hypern.task.attempt"] = record.attempt
        waited = record.started_at - record.ready_at
        if record.started_at:
            attributes["hypern.task.waited"] = max(0.0, waited)
        span = self._tracer.start_span(
            f"run {record.name}",
            context=source if self._continue else TraceContext(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=[Link(origin)] if origin.is_valid and not self._continue else None,
        )
        key = (record.id, record.attempt)
        attempted = self._open[key] = _Attempt(span)
        # Of what was current where the task was submitted, as baggage, nothing is current here.
        token = contexts.attach(trace.set_span_in_context(span, TraceContext()))

        def ended(exception: BaseException | None, error: str | None) -> None:
            self._open.pop(key, None)
            contexts.detach(token)
            _say_how_it_ended(attempted, record, exception, error)
            span.end()

        return ended

    def overdue(self, record: TaskRecord, attempt: int, error: str) -> None:
        attempted = self._open.get((record.id, attempt))
        if attempted is not None:
            attempted.overdue = error

    def passing_on(self, trail: dict[str, str]) -> None:
        _propagator.inject(trail)

    def following(self, record: TaskRecord) -> None:
        contexts.attach(_propagator.extract(record.trail or {}, context=TraceContext()))


@dataclass(slots=True)
class _Attempt:
    span: Span
    # That its time is up, if it is.
    overdue: str | None = None


_COUNT = "messaging.batch.message_count"


def _about(operation: str, kind: str) -> dict[str, AttributeValue]:
    return {
        "messaging.system": "hypern",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }


def _about_task(record: TaskRecord, operation: str, kind: str) -> dict[str, AttributeValue]:
    """As the semantic conventions for messaging have it; the destination is the queue."""
    return {
        **_about(operation, kind),
        "messaging.destination.name": record.spec.queue,
        "messaging.message.id": record.id,
        "hypern.task.name": record.name,
    }


def _leave_trail(record: TaskRecord, span: Span) -> None:
    trail: dict[str, str] = {}
    _propagator.inject(trail, context=trace.set_span_in_context(span, TraceContext()))
    if trail:
        record.trail = {**(record.trail or {}), **trail}


def _say_how_it_ended(
    attempted: _Attempt, record: TaskRecord, exception: BaseException | None, error: str | None
) -> None:
    span = attempted.span
    if attempted.overdue is not None:
        # Whatever its function has made of it since then.
        outcome, exception, error = "failed", None, attempted.overdue
        span.set_attribute("error.type", "TimeoutError")
    elif isinstance(exception, Wish):
        outcome = "cancelled" if isinstance(exception, Cancel) else "retried"
    elif exception is not None and record.cancel_requested and not isinstance(exception, Exception):
        outcome = "cancelled"
    elif exception is None and error is None:
        outcome = "completed"
    else:
        outcome = "failed"
    if outcome == "failed":
        if exception is not None:
            span.record_exception(exception)
            span.set_attribute("error.type", type(exception).__qualname__)
        span.set_status(StatusCode.ERROR, error or _described(exception))
    span.set_attribute("hypern.task.outcome", outcome)


def _described(exception: BaseException | None) -> str:
    return f"{type(exception).__name__}: {exception}"


def _headers(req: Request) -> dict[str, str]:
    found = ((name, req.header(name)) for name in ("traceparent", "tracestate"))
    return {name: value for name, value in found if value is not None}
