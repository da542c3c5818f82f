"""Spans of requests, submits and runs: how they are linked, what they say, and that none leaks."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.journeys.running import until
from tests.tasks.conftest import WAIT
from tests.telemetry.conftest import MakeApp

from hypern import Cancel, Hypern, Retry, Router, TaskResult, current_task
from hypern.errors import ConfigurationError
from hypern.telemetry import Tracing
from hypern.testing import TestClient


class Spans:
    """What has been exported so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("tests")

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        [span] = until(lambda: self.named(start))
        return span


SPANS = Spans()


@pytest.fixture
def spans() -> Spans:
    SPANS.__init__()  # type: ignore[misc]
    return SPANS


def inner() -> str:
    """A span that a task makes; the id of its trace."""
    with SPANS.tracer.start_as_current_span("inner") as span:
        return f"{span.get_span_context().trace_id:032x}"


def plain() -> str:
    return inner()


async def coroutine() -> str:
    await asyncio.sleep(0)
    return inner()


def fails() -> None:
    raise ValueError("bad row")


def gives_up() -> Cancel:
    return Cancel("nothing to do")


def third_time() -> str:
    if current_task().attempt < 3:
        raise Retry(0)
    return "done"


def done(app: Hypern, task_id: str) -> TaskResult:
    def ended() -> bool:
        found = app.get_task(task_id)
        return found is not None and found.is_done()

    assert app.engine.wait_until(ended, WAIT)
    result = app.get_task(task_id)
    assert result is not None
    return result


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


@pytest.mark.parametrize("func", [plain, coroutine])
def test_request_submit_run(store: str, func: Callable[[], Any], make_app: MakeApp, spans: Spans) -> None:
    """The submit is a child of the request; the run has a trace of its own, linked to the submit; what the
    task does is a child of the run."""
    app = make_app(task_store=store)
    app.use(Tracing(tracer_provider=spans.provider))

    @app.post("/orders/:id")
    async def order(req: Any, res: Any, ctx: Any) -> None:
        res.accepted(app.submit_task(func, queue="mail"), location="/")

    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = TestClient(app).post("/orders/7", headers={"traceparent": caller})
    task_id = answer.json()["id"]
    result = done(app, task_id)
    request, submit, run, within = (spans.one(name) for name in ("POST", "submit", "run", "inner"))
    assert (request.name, request.kind) == ("POST /orders/:id", SpanKind.SERVER)
    assert f"{trace_of(request):032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert parent_of(request) == 0xB7AD6B7169203331
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 202
    assert parent_of(submit) == id_of(request)
    assert trace_of(submit) == trace_of(request)
    name = f"{func.__module__}:{func.__name__}"
    assert (submit.name, submit.kind) == (f"submit {name}", SpanKind.PRODUCER)
    assert (run.name, run.kind) == (f"run {name}", SpanKind.CONSUMER)
    assert run.parent is None
    assert [link.context.span_id for link in run.links] == [id_of(submit)]
    assert [link.context.trace_id for link in run.links] == [trace_of(submit)]
    assert parent_of(within) == id_of(run)
    assert result.result == f"{trace_of(run):032x}" != f"{trace_of(request):032x}"
    for span, operation, kind in ((submit, "submit", "send"), (run, "run", "process")):
        assert span.attributes is not None
        assert span.attributes["messaging.system"] == "hypern"
        assert span.attributes["messaging.operation.name"] == operation
        assert span.attributes["messaging.operation.type"] == kind
        assert span.attributes["messaging.destination.name"] == "mail"
        assert span.attributes["messaging.message.id"] == task_id
    assert run.attributes is not None
    assert run.attributes["hypern.task.outcome"] == "completed"
    assert run.attributes["hypern.task.attempt"] == 1


def test_one_trace_where_that_is_wanted(make_app: MakeApp, spans: Spans) -> None:
    """With `continue_trace` the run is a child of its submit, and has no link."""
    app = make_app()
    app.use(Tracing(continue_trace=True, tracer_provider=spans.provider))
    done(app, app.submit_task(plain))
    submit, run = spans.one("submit"), spans.one("run")
    assert (parent_of(run), trace_of(run)) == (id_of(submit), trace_of(submit))
    assert not run.links


def test_nothing_leaks_from_one_task_to_another(store: str, make_app: MakeApp, spans: Spans) -> None:
    """Of very many tasks, on threads and on the loop, that leave their spans current behind them, each has a
    trace of its own; none sees the request that submitted it or the task before it."""
    app = make_app(task_store=store, task_workers=2)
    app.use(Tracing(tracer_provider=spans.provider))
    with spans.tracer.start_as_current_span("caller") as caller:
        ids = [app.submit_task(func) for _ in range(60) for func in (leaves, leaves_async)]
    traces = [done(app, task_id).result for task_id in ids]
    assert len(set(traces)) == len(ids)
    assert f"{caller.get_span_context().trace_id:032x}" not in traces
    runs = {trace_of(run): run for run in spans.named("run")}
    assert len(runs) == len(ids)
    assert all(len(run.links) == 1 and run.parent is None for run in runs.values())
    assert {run.links[0].context.span_id for run in runs.values()} == {
        id_of(submit) for submit in spans.named("submit")
    }


def leaves() -> str:
    span = SPANS.tracer.start_span("left")
    contexts.attach(trace.set_span_in_context(span))
    return f"{span.get_span_context().trace_id:032x}"


async def leaves_async() -> str:
    await asyncio.sleep(0.001)
    return leaves()


def test_attempts(store: str, make_app: MakeApp, spans: Spans) -> None:
    """Each attempt is a span with the same link; those before the last are retried, without being errors."""
    app = make_app(task_store=store)
    app.use(Tracing(tracer_provider=spans.provider))
    assert done(app, app.submit_task(third_time, retries=5)).is_success()
    runs = sorted(spans.named("run"), key=lambda run: run.attributes["hypern.task.attempt"])  # type: ignore[index, arg-type, return-value]
    assert [run.attributes["hypern.task.outcome"] for run in runs] == ["retried", "retried", "completed"]  # type: ignore[index]
    assert {run.links[0].context.span_id for run in runs} == {id_of(spans.one("submit"))}
    assert {run.status.status_code for run in runs} == {StatusCode.UNSET}


def test_failures_and_wishes(make_app: MakeApp, spans: Spans) -> None:
    """An exception is recorded and makes the run an error; a wish to be cancelled does not."""
    app = make_app()
    app.use(Tracing(tracer_provider=spans.provider))
    done(app, app.submit_task(fails))
    done(app, app.submit_task(gives_up))
    failed = spans.one(f"run {fails.__module__}:fails")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ValueError: bad row"
    assert [event.name for event in failed.events] == ["exception"]
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "ValueError"
    cancelled = spans.one(f"run {fails.__module__}:gives_up")
    assert cancelled.attributes is not None
    assert cancelled.attributes["hypern.task.outcome"] == "cancelled"
    assert cancelled.status.status_code is StatusCode.UNSET


def test_a_time_limit(make_app: MakeApp, spans: Spans) -> None:
    """The span of a run whose time was up is an error, though its function returns in the end."""
    app = make_app()
    app.use(Tracing(tracer_provider=spans.provider))
    go = threading.Event()
    assert done(app, app.submit_task(go.wait, (20,), timeout=0.05)).is_failed()
    go.set()
    run = spans.one("run")
    assert run.status.status_code is StatusCode.ERROR
    assert "timeout" in (run.status.description or "")
    assert run.attributes is not None
    assert run.attributes["hypern.task.outcome"] == "failed"


def test_many_at_once(store: str, make_app: MakeApp, spans: Spans) -> None:
    """A batch is one span, and each of its tasks has a span of its own in it that its run is linked to."""
    app = make_app(task_store=store)
    app.use(Tracing(tracer_provider=spans.provider))
    ids = app.submit_many([(plain, ()), (coroutine, ()), (plain, ())])
    for task_id in ids:
        done(app, task_id)
    submit = spans.one("submit")
    assert submit.attributes is not None
    assert submit.attributes["messaging.batch.message_count"] == 3
    created = spans.named("create")
    assert {parent_of(span) for span in created} == {id_of(submit)}
    until(lambda: len(spans.named("run")) == 3)
    links = {
        run.attributes["messaging.message.id"]: run.links[0].context.span_id for run in spans.named("run")
    }  # type: ignore[index]
    assert links == {span.attributes["messaging.message.id"]: id_of(span) for span in created}  # type: ignore[index]


def test_a_repeated_task(store: str, make_app: MakeApp, spans: Spans) -> None:
    """A task that is retried by hand is linked to the submit of the first one."""
    app = make_app(task_store=store)
    app.use(Tracing(tracer_provider=spans.provider))
    first = app.submit_task(fails)
    done(app, first)
    again = app.retry_task(first)
    assert again is not None
    done(app, again)
    until(lambda: len(spans.named("run")) == 2)
    assert {run.links[0].context.span_id for run in spans.named("run")} == {id_of(spans.one("submit"))}


def test_a_submit_that_is_refused(make_app: MakeApp, spans: Spans) -> None:
    """Its span is an error, and what was current before is current again."""
    app = make_app(task_store="memory://", task_queue_size=1)
    app.use(Tracing(tracer_provider=spans.provider))
    app.engine.pause()
    app.submit_task(plain)
    with spans.tracer.start_as_current_span("caller") as caller:
        with pytest.raises(Exception, match="full"):
            app.submit_task(plain)
        assert trace.get_current_span() is caller
    refused = spans.named("submit")[-1]
    assert refused.status.status_code is StatusCode.ERROR


def test_without_an_sdk(make_app: MakeApp) -> None:
    """Nothing is recorded, the trace that a request came with still goes along with its task, and a task
    without one has nothing to carry."""
    app = make_app()
    app.use(Tracing(tracer_provider=trace.NoOpTracerProvider()))
    app.engine.pause()

    @app.get("/")
    def submit(req: Any, res: Any, ctx: Any) -> None:
        res.json(app.submit_task(plain))

    client = TestClient(app)
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with_trace, without = (
        app.engine.store.get(client.get("/", headers=headers).json())
        for headers in ({"traceparent": caller}, {})
    )
    assert with_trace is not None
    assert with_trace.trail == {"traceparent": caller}
    assert without is not None
    assert without.trail is None


def test_a_server_error(make_app: MakeApp, spans: Spans) -> None:
    """The span of a request that ends with 500 is an error; one for a page that is not there is none."""
    app = make_app()
    app.use(Tracing(tracer_provider=spans.provider))

    @app.get("/broken")
    def broken(req: Any, res: Any, ctx: Any) -> None:
        raise ValueError("bad row")

    client = TestClient(app)
    assert client.get("/broken").status_code == 500
    assert client.get("/nowhere").status_code == 404
    failed, missing = spans.one("GET /broken"), spans.named("GET")[1]
    assert failed.status.status_code is StatusCode.ERROR
    assert missing.name == "GET"
    assert missing.status.status_code is StatusCode.UNSET


def test_a_request_that_has_a_span_already(make_app: MakeApp, spans: Spans) -> None:
    """Where something around the app has made the span of the request, there is no second one."""

    async def around(req: Any, res: Any, ctx: Any, next: Any) -> None:
        with spans.tracer.start_as_current_span("theirs", kind=SpanKind.SERVER):
            await next()

    app = make_app()
    app.use(around)
    app.use(Tracing(tracer_provider=spans.provider))
    TestClient(app).get("/")
    assert spans.one("theirs")
    assert spans.named("GET") == []


def test_claiming_is_in_nobodys_context(make_app: MakeApp) -> None:
    """What is done for all tasks is not done in the context of the one who submitted last."""
    app = make_app()
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    seen: set[str] = set()
    claim = app.engine.store.claim

    def listening(*args: Any) -> Any:
        seen.add(who.get())
        return claim(*args)

    app.engine.store.claim = listening  # type: ignore[method-assign]
    who.set("me")
    done(app, app.submit_task(coroutine))
    done(app, app.submit_task(plain))
    assert seen == {"nobody"}


def test_only_for_a_whole_app() -> None:
    """A router has no tasks to trace."""
    with pytest.raises(ConfigurationError, match="whole app"):
        Router().use(Tracing())
