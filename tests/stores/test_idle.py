"""A store is not idle while it takes tasks, which are neither waiting nor running here for a moment, and what
these tasks say is written down."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.running import until
from tests.tasks.conftest import Helped

from hypern import background, current_task
from hypern.config import Settings
from hypern.tasks.anywhere import submit_to

WAIT = 20.0


@background()
def quick() -> int:
    return 7


go_on = threading.Event()


@background()
def half_way() -> None:
    current_task().progress(0.5)
    assert go_on.wait(WAIT)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_is_idle_while_tasks_are_taken(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Between the claim in the tables and the start here."""
    file = f"sqlite:///{tmp_path}/tasks.db"
    url = file if kind == "sqlite" else request.getfixturevalue("postgres_url")
    engine = Helped(Settings(task_store=url, task_workers=1))
    ledger: Any = engine.store._hands._ledger  # type: ignore[attr-defined]
    claim = ledger.claim
    taken, go_on = threading.Event(), threading.Event()

    def slowly(*words: Any) -> Any:
        rows = claim(*words)
        if rows:
            taken.set()
            assert go_on.wait(WAIT)
        return rows

    ledger.claim = slowly
    try:
        task_id = submit_to(engine, quick, (), None, {})
        engine.start()
        assert taken.wait(WAIT)
        assert not engine.idle()
        go_on.set()
        engine.settle()
        assert engine.now(task_id).result == 7
    finally:
        go_on.set()
        engine.discard()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_is_said_by_a_task_that_was_being_taken(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The one who writes down what tasks say looks when a task has been claimed and is not here yet; others
    see its progress all the same while it runs."""
    file = f"sqlite:///{tmp_path}/tasks.db"
    url = file if kind == "sqlite" else request.getfixturevalue("postgres_url")
    engine = Helped(Settings(task_store=url, task_workers=1))
    other = Helped(Settings(task_store=url, task_workers=0))
    store: Any = engine.store
    ledger, watch = store._hands._ledger, store._watch
    claim, look = ledger.claim, watch.look
    turns = 0

    def looking(*times: float) -> Any:
        nonlocal turns
        following = look(*times)
        turns += 1
        return following

    def slowly(*words: Any) -> Any:
        rows = claim(*words)
        if rows:
            seen = turns
            until(lambda: turns >= seen + 2)
        return rows

    ledger.claim, watch.look = slowly, looking
    go_on.clear()
    try:
        task_id = submit_to(other, half_way, (), None, {})
        engine.start()
        assert until(lambda: other.now(task_id).progress).fraction == 0.5
        go_on.set()
        engine.settle()
    finally:
        go_on.set()
        engine.discard()
        other.discard()
