"""What tasks write to the log, kept with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tasks.conftest import WAIT

from hypern import Hypern, background, get_task
from hypern.errors import ConfigurationError
from hypern.stores.overview import LINE_LENGTH
from hypern.tasks.engine import Engine

shop = logging.getLogger("shop")


@background()
def talks(times: int) -> None:
    for number in range(times):
        shop.info("line %d", number)
    shop.debug("too quiet")


@background()
async def whispers() -> None:
    shop.warning("x" * 10_000)


@background()
def mumbles() -> None:
    shop.warning("half \ud800")


@background()
def breaks() -> None:
    try:
        raise ValueError("bad row")
    except ValueError:
        shop.exception("oh")
    shop.info("%d", "no number")


@pytest.fixture(params=["memory://", "sqlite:///{}/tasks.db"], ids=["memory", "sqlite"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[Engine]:
    caplog.set_level("DEBUG")
    app = Hypern(task_store=request.param.format(tmp_path), task_log_level="INFO")
    yield app.engine
    app.engine.discard()


def lines(engine: Engine, task_id: str) -> list[tuple[str, int, str]]:
    assert engine.wait_until(lambda: get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]
    engine.store.flush()
    return [(line.logger, line.level, line.text) for line in engine.store.logs(task_id)]


def test_lines_are_kept_with_their_task(engine: Engine) -> None:
    """Those of the level and above, in order, each with the task that wrote it."""
    one, two = talks(3), talks(1)
    shop.warning("of nobody")
    assert lines(engine, one) == [("shop", 20, f"line {number}") for number in range(3)]
    assert lines(engine, two) == [("shop", 20, "line 0")]


def test_many_lines(engine: Engine) -> None:
    """The last thousand."""
    assert [text for _, _, text in lines(engine, talks(1500))] == [f"line {n}" for n in range(500, 1500)]


def test_halves_of_characters(engine: Engine) -> None:
    """A line that has one is kept, written out."""
    assert lines(engine, mumbles()) == [("shop", logging.WARNING, "half \\ud800")]


def test_long_lines_and_coroutines(engine: Engine) -> None:
    """A line is cut, and says so."""
    [(_, level, text)] = lines(engine, whispers())
    assert level == logging.WARNING
    assert text == "x" * LINE_LENGTH + "… (10000 characters)"


def test_tracebacks_and_lines_that_cannot_be_made(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback belongs to its line; a line whose arguments do not fit harms nobody."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    task_id = breaks()
    [(_, _, text)] = lines(engine, task_id)
    assert text.startswith("oh\nTraceback")
    assert text.endswith("ValueError: bad row")
    assert get_task(task_id).is_success()  # type: ignore[union-attr]


def test_nothing_is_kept_unless_asked_for() -> None:
    """No handler, no lines; and none is left behind by an engine that ends."""
    before = list(logging.getLogger().handlers)
    app = Hypern()
    task_id = talks(2)
    assert lines(app.engine, task_id) == []
    app.engine.discard()
    assert logging.getLogger().handlers == before


def test_levels_that_are_none() -> None:
    with pytest.raises(ConfigurationError, match="INFO"):
        Hypern(task_log_level="info")
