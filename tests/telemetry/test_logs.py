"""Lines say which task, attempt, request and trace they belong to, and no other."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from tests.journeys.running import until
from tests.tasks.conftest import WAIT
from tests.telemetry.conftest import MakeApp

from hypern import Hypern, Router
from hypern.errors import ConfigurationError
from hypern.http.middleware import RequestId
from hypern.telemetry import JsonFormatter, LogFields, TaskLogFilter, Tracing, known_fields
from hypern.testing import TestClient

shop = logging.getLogger("shop.orders")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What has been logged so far, as JSON."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter({"service": "shop"}))
    root = logging.getLogger()
    root.addHandler(handler)
    before = shop.level
    shop.setLevel("INFO")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    shop.setLevel(before)
    root.removeHandler(handler)


def talks(word: str) -> None:
    shop.info("said %s", word, extra={"word": word})


async def whispers(word: str) -> None:
    await asyncio.sleep(0)
    talks(word)


def fails() -> None:
    raise ValueError("bad row")


def done(app: Hypern, *task_ids: str) -> None:
    def ended() -> bool:
        return all((found := app.get_task(task_id)) is not None and found.is_done() for task_id in task_ids)

    assert app.engine.wait_until(ended, WAIT)


@pytest.mark.parametrize("func", [talks, whispers])
def test_a_line_of_a_task(store: str, func: Any, make_app: MakeApp, lines: Lines) -> None:
    """It has the id, name and attempt of its task, the id of the request that submitted it, the trace of its
    run, and what it was given itself; a line outside of tasks and requests has none of these."""
    app = make_app(task_store=store)
    provider = TracerProvider()
    app.use(RequestId())
    app.use(Tracing(tracer_provider=provider))
    app.use(LogFields())

    @app.post("/")
    async def submit(req: Any, res: Any, ctx: Any) -> None:
        talks("request")
        res.json(app.submit_task(func, ("task",)))

    task_id = TestClient(app).post("/", headers={"X-Request-ID": "r-42"}).json()
    done(app, task_id)
    talks("outside")
    request, task, outside = lines()
    assert (task["task_id"], task["attempt"]) == (task_id, 1)
    assert task["task_name"] == f"{func.__module__}:{func.__name__}"
    assert (request["request_id"], task["request_id"]) == ("r-42", "r-42")
    assert len(task["trace_id"]) == 32
    assert task["trace_id"] != request["trace_id"]
    assert (task["level"], task["logger"], task["message"]) == ("INFO", "shop.orders", "said task")
    assert (task["word"], task["service"]) == ("task", "shop")
    assert set(outside) == {"time", "level", "logger", "message", "service", "word"}


def test_requests_do_not_mix(store: str, make_app: MakeApp, lines: Lines) -> None:
    """Of many requests, each task has the id of its own; what is submitted outside of them has none."""
    app = make_app(task_store=store, task_workers=2)
    app.use(RequestId())
    app.use(LogFields())

    @app.post("/:word")
    def submit(req: Any, res: Any, ctx: Any) -> None:
        word = req.param("word")
        res.json([app.submit_task(func, (word,)) for func in (talks, whispers)])

    client = TestClient(app)
    ids = []
    for number in range(20):
        ids += client.post(f"/w{number}", headers={"X-Request-ID": f"r{number}"}).json()
        ids.append(app.submit_task(talks, ("alone",)))
    done(app, *ids)
    for line in lines():
        expected = None if line["word"] == "alone" else line["word"].replace("w", "r")
        assert line.get("request_id") == expected


def test_the_line_of_a_failure(make_app: MakeApp, lines: Lines) -> None:
    """The engine's own line about a task that failed has its fields too, and how it ended."""
    app = make_app()
    task_id = app.submit_task(fails)
    [line] = until(lines)
    assert (line["logger"], line["level"]) == ("hypern.tasks", "ERROR")
    assert (line["task_id"], line["attempt"], line["task_outcome"]) == (task_id, 1, "failed")


def test_the_filter(make_app: MakeApp) -> None:
    """Any formatter can name the fields; what is not known is the default, what is given stays."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(TaskLogFilter())
    handler.setFormatter(logging.Formatter("%(task_name)s %(attempt)s %(request_id)s %(message)s"))
    shop.addHandler(handler)
    try:
        app = make_app()
        done(app, app.submit_task(shop.warning, ("in a task",)))
        shop.warning("outside", extra={"request_id": "mine"})
    finally:
        shop.removeHandler(handler)
    assert written.getvalue().splitlines() == ["logging:Logger.warning 1 - in a task", "- - mine outside"]


class _Unsayable:
    def __repr__(self) -> str:
        raise ValueError("no words")


def test_what_json_cannot_say(lines: Lines) -> None:
    """Any object, text and exception is one line of valid JSON."""
    try:
        raise ValueError("bad\nrow \ud800")
    except ValueError:
        shop.exception(
            "a\nb\x1b[31m \u2028", extra={"what": {1, 2}, "odd": _Unsayable(), "deep": {"k": object}}
        )
    [line] = lines()
    assert line["message"] == "a\nb\x1b[31m \u2028"
    assert line["exception"].endswith("ValueError: bad\nrow \ud800")
    assert line["what"] == "{1, 2}"
    assert line["odd"] == "<_Unsayable, whose repr raises ValueError>"


def test_known_fields_outside() -> None:
    """Where nothing is known, nothing is said."""
    assert known_fields() == {}
    with trace.use_span(TracerProvider().get_tracer("t").start_span("s")):
        assert set(known_fields()) == {"trace_id", "span_id"}


def test_only_for_a_whole_app() -> None:
    """A router has no tasks."""
    with pytest.raises(ConfigurationError, match="whole app"):
        Router().use(LogFields())
