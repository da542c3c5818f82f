"""What Sentry is sent of tasks: through the real SDK, whose transport keeps the events here."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from tests.journeys.running import until
from tests.tasks.conftest import WAIT
from tests.telemetry.conftest import MakeApp

from hypern import Hypern, Retry, Router, current_task
from hypern.errors import ConfigurationError
from hypern.http.middleware import RequestId
from hypern.telemetry import LogFields, Sentry
from hypern.testing import TestClient


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def sent() -> Iterator[list[Any]]:
    """The events that have been sent so far."""
    transport = Kept()
    sentry_sdk.init(dsn="https://key@sentry.example/1", transport=transport, auto_enabling_integrations=False)
    yield transport.events
    sentry_sdk.get_global_scope().clear()
    sentry_sdk.init(dsn=None)


def fails(row: str) -> None:
    sentry_sdk.add_breadcrumb(message=f"row {row}")
    sentry_sdk.set_tag("row", row)
    raise ValueError(f"bad row {row}")


async def fails_async(row: str) -> None:
    fails(row)


def fine(row: str) -> None:
    sentry_sdk.set_tag("row", row)


def wishes() -> None:
    if current_task().attempt == 1:
        raise Retry(0)


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raises() -> None:
    raise LookupError("no row")


def done(app: Hypern, *task_ids: str) -> None:
    def ended() -> bool:
        return all((found := app.get_task(task_id)) is not None and found.is_done() for task_id in task_ids)

    assert app.engine.wait_until(ended, WAIT)
    app.engine.store.flush()


@pytest.mark.parametrize("func", [fails, fails_async])
def test_a_failing_task_is_one_event(store: str, func: Any, make_app: MakeApp, sent: list[Any]) -> None:
    """With the task's name, id, attempt and queue, the exception with its stack, and once: not for the line
    in the log as well."""
    app = make_app(task_store=store)
    app.use(Sentry())
    task_id = app.submit_task(func, ("7",), queue="mail")
    done(app, task_id)
    [event] = sent
    name = f"{func.__module__}:{func.__name__}"
    assert event["contexts"]["task"] == {"id": task_id, "name": name, "attempt": 1, "queue": "mail"}
    assert event["tags"] == {"task_name": name, "queue": "mail", "attempt": "1", "row": "7"}
    assert event["transaction"] == name
    assert event["level"] == "error"
    [exception] = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("ValueError", "bad row 7")
    assert exception["mechanism"] == {"type": "hypern", "handled": False}
    assert exception["stacktrace"]["frames"][-1]["function"] == "fails"
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == ["row 7"]


def test_no_task_sees_the_scope_of_another(make_app: MakeApp, sent: list[Any]) -> None:
    """Tags and breadcrumbs of one are not in the event of the next, on threads and on the loop."""
    app = make_app(task_workers=2)
    app.use(Sentry())
    ids = []
    for number in range(20):
        ids += [app.submit_task(func, (str(number),)) for func in (fails, fine, fails_async)]
    done(app, *ids)
    until(lambda: len(sent) == 40)
    for event in sent:
        row = event["tags"]["row"]
        assert event["exception"]["values"][0]["value"] == f"bad row {row}"
        assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == [f"row {row}"]
    sentry_sdk.capture_message("outside")
    assert not sent[-1].get("tags")


def test_only_the_last_attempt(store: str, make_app: MakeApp, sent: list[Any]) -> None:
    """An attempt that is tried again is none, nor is a wish; unless they are wanted, as warnings."""
    app = make_app(task_store=store)
    app.use(Sentry())
    retrying = app.background(retries=1, backoff=0.0)(raises)
    done(app, retrying(), app.submit_task(wishes, retries=1))
    [event] = sent
    assert event["contexts"]["task"]["attempt"] == 2
    other = make_app()
    other.use(Sentry(retried=True))
    done(other, other.background(retries=1, backoff=0.0)(raises)(), other.submit_task(wishes, retries=1))
    assert [event["level"] for event in sent[1:]] == ["warning", "error"]


def test_what_fails_without_an_exception(make_app: MakeApp, sent: list[Any]) -> None:
    """A time-out, the death of an isolated task and its exception are events, with the text of the error."""
    app = make_app()
    app.use(Sentry())
    go = threading.Event()
    try:
        app.submit_task(go.wait, (20,), timeout=0.05)
        until(lambda: len(sent) == 1)
        app.submit_task(dies, isolate="process")
        until(lambda: len(sent) == 2)
        app.submit_task(raises, isolate="process")
        until(lambda: len(sent) == 3)
    finally:
        go.set()
    late, dead, raised = (event["logentry"]["message"] for event in sent)
    assert "TimeoutError: the attempt took longer" in late
    assert "WorkerLost" in dead
    assert "LookupError: no row" in raised
    assert "in raises" in sent[2]["extra"]["traceback"]
    assert sent[1]["tags"]["task_name"] == f"{dies.__module__}:dies"


def test_the_request_of_a_task(make_app: MakeApp, sent: list[Any]) -> None:
    """Where `LogFields` brings the id of the request, the event has it too."""
    app = make_app()
    for part in (RequestId(), LogFields(), Sentry()):
        app.use(part)

    @app.post("/")
    def submit(req: Any, res: Any, ctx: Any) -> None:
        res.json(app.submit_task(raises))

    done(app, TestClient(app).post("/", headers={"X-Request-ID": "r-42"}).json())
    assert sent[0]["tags"]["request_id"] == "r-42"


def test_other_lines_of_the_log_are_events(make_app: MakeApp, sent: list[Any]) -> None:
    """Only the line about a task that has failed is left out of what Sentry takes from the log."""
    make_app().use(Sentry())
    logging.getLogger("hypern.tasks").error("the disk is full")
    assert [event["logentry"]["message"] for event in sent] == ["the disk is full"]


def test_without_a_client(make_app: MakeApp) -> None:
    """Where Sentry has not been set up, tasks run, and fail, as without it."""
    app = make_app()
    app.use(Sentry())
    task_id = app.submit_task(raises)
    done(app, task_id)
    assert app.get_task(task_id).error == "LookupError: no row"  # type: ignore[union-attr]


def test_only_for_a_whole_app() -> None:
    """A router has no tasks."""
    with pytest.raises(ConfigurationError, match="whole app"):
        Router().use(Sentry())
