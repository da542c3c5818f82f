"""Listing and counting the tasks of an engine, and what cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import Helped

from hypern import InvalidOption, TaskStatus, count_tasks, list_tasks, submit_task


def greet(name: str) -> str:
    return f"hello {name}"


def fail(name: str) -> None:
    raise ValueError(f"bad {name}")


@pytest.fixture(params=["memory", "sqlite"])
def used(request: pytest.FixtureRequest, use: Callable[..., Helped], tmp_path: Path) -> Helped:
    """An engine on each kind of store."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"
    return use(task_store=url)


def test_pages(used: Helped) -> None:
    """Each task once, the last submitted first, as get_task shows it; the last page says so."""
    ids = [submit_task(greet, (f"{number}",)) for number in range(5)]
    used.done(*ids)
    first = list_tasks(limit=3)
    rest = list_tasks(limit=3, after=first.after)
    assert [task.task_id for task in first.tasks + rest.tasks] == ids[::-1]
    assert rest.after is None
    assert first.tasks[0] == used.now(ids[-1])


def test_filters(used: Helped) -> None:
    """Each word narrows: status in any form, queue, name, search, time."""
    good, bad = submit_task(greet, ("ann",), queue="mail"), submit_task(fail, ("ann",))
    used.done(good, bad)
    now = datetime.now(UTC)

    def found(**which: Any) -> set[str]:
        assert count_tasks(**which).number == len(list_tasks(**which).tasks)
        return {task.task_id for task in list_tasks(**which).tasks}

    assert found() == found(status=None, search=None) == {good, bad}
    assert found(status="failed") == found(status=TaskStatus.FAILED) == {bad}
    assert found(status=["failed", TaskStatus.COMPLETED]) == {good, bad}
    assert found(status=[]) == set()
    assert found(queue="mail") == found(name=used.now(good).name) == {good}
    assert found(search="BAD ANN") == found(search=bad[:30]) & {bad} == {bad}
    assert found(since=now + timedelta(hours=1)) == found(until=0) == set()
    assert found(since=now - timedelta(hours=1), until=now.timestamp() + 60) == {good, bad}


def test_count(used: Helped) -> None:
    """Up to a number, and it says whether that was all."""
    used.done(*[submit_task(greet, ("ann",)) for _ in range(3)])
    assert (count_tasks().number, count_tasks().is_all) == (3, True)
    assert (count_tasks(at_most=2).number, count_tasks(at_most=2).is_all) == (2, False)


@pytest.mark.parametrize(
    "which",
    [
        {"status": "broken"},
        {"status": 3},
        {"status": [None]},
        {"queue": 3},
        {"name": b"x"},
        {"search": []},
        {"since": "yesterday"},
        {"since": datetime(2026, 1, 1)},
        {"until": True},
        {"until": float("nan")},
        {"limit": 0},
        {"limit": 1001},
        {"limit": True},
        {"after": 3},
        {"after": "no cursor"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_cannot_be_asked(used: Helped, which: dict[str, Any]) -> None:
    """InvalidOption, which says what could be."""
    with pytest.raises(InvalidOption):
        list_tasks(**which)


@pytest.mark.parametrize("at_most", [0, -1, True, 1.5, None])
def test_a_bound_that_is_none(used: Helped, at_most: Any) -> None:
    """InvalidOption."""
    with pytest.raises(InvalidOption):
        count_tasks(at_most=at_most)
