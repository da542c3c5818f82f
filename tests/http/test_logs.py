"""A logging handler that is broken: whatever it does, clients get their answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.http.application import WebApp


class Broken(logging.Handler):
    """Raises at every line, which handlers of other people do in places that `logging` does not guard."""

    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__()
        self.kind = kind
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        raise self.kind("from the log")


@pytest.fixture(params=[OSError, SystemExit, KeyboardInterrupt])
def broken(request: pytest.FixtureRequest) -> Iterator[Broken]:
    handler = Broken(request.param)
    logger = logging.getLogger("hypern.http")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_an_unexpected_error_is_answered(broken: Broken) -> None:
    """With the usual 500."""
    app = WebApp()
    app.get("/")(lambda req, res, ctx: 1 / 0)
    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.json()["message"]) == (500, "Internal Server Error")
    assert broken.lines == ["GET / failed"]


def test_a_stream_that_fails_ends(broken: Broken) -> None:
    """With what came before the error."""
    app = WebApp()

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError

    app.get("/")(lambda req, res, ctx: res.sse(failing()))
    assert TestClient(app).get("/").text == "data: 1\n\n"
    assert broken.lines == ["a stream of events failed on '/'"]


def test_the_other_shutdown_hooks_run(broken: Broken) -> None:
    """After one that failed."""
    app = WebApp()
    ran: list[Any] = []

    @app.on_shutdown
    def fails() -> None:
        raise ValueError

    app.on_shutdown(lambda: ran.append("second"))
    with TestClient(app):
        pass
    assert ran == ["second"]
    assert len(broken.lines) == 1
