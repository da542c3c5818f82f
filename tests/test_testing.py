"""What time does to tasks that recur, where a `TaskRunner` has the time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hypern import Hypern, background, cron, every, get_task
from hypern.tasks import ticking
from hypern.testing import TaskRunner

NOON = datetime(2026, 5, 4, 12, 0, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_else_recurs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticking, "_registry", [])


@background(delay_seconds=3600, retries=1)
def remind(name: str) -> str:
    return f"dear {name}"


def heat() -> str:
    return "warm"


def test_each_tick_that_passes_is_one_task() -> None:
    every(seconds=60)(heat)
    with TaskRunner(now=NOON) as tasks:
        tasks.advance(58)
        assert tasks.pending() == []
        tasks.advance(1)
        assert len(tasks.pending()) == 1
        tasks.advance(600)
        assert len(tasks.pending()) == 11
        assert {task.result for task in tasks.run_pending()} == {"warm"}
        tasks.advance(59)
        assert tasks.pending() == []


def test_a_schedule_holds_in_its_time_zone() -> None:
    cron("0 3 * * *", tz="Europe/Berlin")(heat)
    with TaskRunner(now=NOON) as tasks:
        tasks.advance(12 * 3600)
        assert tasks.pending() == []
        tasks.advance(3600)
        assert [task.submitted_at for task in tasks.pending()] == [datetime(2026, 5, 5, 1, tzinfo=UTC)]
        tasks.advance(2 * 86_400)
        assert len(tasks.pending()) == 3


def test_a_tick_finds_what_was_submitted_before_it_and_runs_after_it() -> None:
    app = Hypern(task_workers=1)
    runs: list[str] = []
    app.every(seconds=60)(lambda: runs.append("tick"))
    late = app.background(delay_seconds=30)(lambda: runs.append("late"))
    with TaskRunner(app, now=NOON) as tasks:
        late()
        tasks.advance(3600)
        tasks.run_pending()
    assert sorted(runs) == ["late", *["tick"] * 60]


def test_ticks_come_through_however_the_clock_is_moved() -> None:
    every(seconds=1)(heat)
    with TaskRunner(now=NOON) as tasks:
        for _ in range(30):
            tasks.advance(0.1)
        tasks.advance(0.0)
        assert len(tasks.pending()) in (2, 3)
        tasks.advance(7.3)
        assert len(tasks.pending()) == 10


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        TaskRunner(now=datetime(2026, 5, 4))


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_whatever_the_store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Delays and ticks pass by the test's clock alone; the app's own store is not touched."""
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/tasks.db"}.get(kind)
    app = Hypern(task_store=url or request.getfixturevalue("postgres_url"), task_workers=1)
    every(seconds=60)(heat)
    with TaskRunner(app, now=NOON) as tasks:
        task_id = remind("ann")
        assert tasks.run_pending() == []
        tasks.advance(3599)
        assert {task.result for task in tasks.run_pending(timeout=60)} == {"warm"}
        tasks.advance(1)
        assert get_task(task_id).is_pending()  # type: ignore[union-attr]
        assert "dear ann" in {task.result for task in tasks.run_pending()}
    assert get_task(task_id) is None
    assert app.engine.store.totals() == []
    app.engine.discard()
