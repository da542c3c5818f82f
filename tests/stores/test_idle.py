"""A store is not idle while it takes tasks, which are neither waiting nor running here for a moment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import Helped

from hypern import background
from hypern.config import Settings
from hypern.tasks.anywhere import submit_to

WAIT = 20.0


@background()
def quick() -> int:
    return 7


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
