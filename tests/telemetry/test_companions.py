"""Who goes along with tasks is told of each step, once, and can harm nobody."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from tests.journeys.running import until
from tests.tasks.conftest import WAIT
from tests.telemetry.conftest import MakeApp

from hypern import Hypern, Retry, current_task
from hypern.records import Ending, TaskRecord
from hypern.tasks.companions import Companion, Ended


class Diary(Companion):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def submitting(self, records: Sequence[TaskRecord]) -> Ended:
        self.told.append(("submitting", len(records)))
        return lambda exception, error: self.told.append(("submitted", type(exception).__name__, error))

    def beginning(self, record: TaskRecord) -> Ended:
        assert current_task().task_id == record.id
        attempt = record.attempt
        self.told.append(("beginning", attempt))
        return lambda exception, error: self.told.append(("ended", attempt, type(exception).__name__, error))

    def overdue(self, record: TaskRecord, attempt: int, error: str) -> None:
        self.told.append(("overdue", attempt, error.partition(":")[0]))

    def settled(self, record: TaskRecord, attempt: int, ending: Ending) -> None:
        self.told.append(("settled", attempt, type(ending).__name__))


class Breaks(Companion):
    """Raises whenever it can."""

    def submitting(self, records: Sequence[TaskRecord]) -> Ended:
        raise ValueError("submitting")

    def beginning(self, record: TaskRecord) -> Ended:
        def ended(exception: BaseException | None, error: str | None) -> None:
            raise ValueError("ended")

        return ended

    def settled(self, record: TaskRecord, attempt: int, ending: Ending) -> None:
        raise ValueError("settled")


def fine() -> str:
    return "fine"


async def also_fine() -> str:
    return "fine"


def gives_an_exception() -> ValueError:
    return ValueError("a value")


def once_more() -> Any:
    return Retry(0) if current_task().attempt == 1 else "fine"


def fails() -> None:
    raise LookupError("no row")


def done(app: Hypern, *task_ids: str) -> None:
    def ended() -> bool:
        return all((found := app.get_task(task_id)) is not None and found.is_done() for task_id in task_ids)

    assert app.engine.wait_until(ended, WAIT)
    app.engine.store.flush()


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        (fine, [("beginning", 1), ("ended", 1, "NoneType", None), ("settled", 1, "Completed")]),
        (also_fine, [("beginning", 1), ("ended", 1, "NoneType", None), ("settled", 1, "Completed")]),
        (gives_an_exception, [("beginning", 1), ("ended", 1, "NoneType", None), ("settled", 1, "Completed")]),
        (fails, [("beginning", 1), ("ended", 1, "LookupError", None), ("settled", 1, "Failed")]),
        (
            once_more,
            [
                ("beginning", 1),
                ("ended", 1, "Retry", None),
                ("settled", 1, "Again"),
                ("beginning", 2),
                ("ended", 2, "NoneType", None),
                ("settled", 2, "Completed"),
            ],
        ),
    ],
)
def test_each_step_is_told(store: str, func: Any, expected: list[Any], make_app: MakeApp) -> None:
    """From the submit to the record of the end, for each attempt in order, once, on each store. That one has
    been recorded may be told when the next has begun."""
    app = make_app(task_store=store)
    diary = Diary()
    app.engine.companions.add(diary)
    app.engine.companions.add(diary)
    done(app, app.submit_task(func))
    until(lambda: len(diary.told) == 2 + len(expected))
    submit = [("submitting", 1), ("submitted", "NoneType", None)]
    assert [told for told in diary.told if told in submit] == submit
    assert sorted((told for told in diary.told if told not in submit), key=lambda told: told[1]) == expected


def test_a_time_limit_is_settled_first(make_app: MakeApp) -> None:
    """That its time is up is told before it is recorded, while the function runs; its own end comes later."""
    app = make_app()
    diary = Diary()
    app.engine.companions.add(diary)
    go = threading.Event()
    done(app, app.submit_task(go.wait, (20,), timeout=0.05))
    assert ("overdue", 1, "TimeoutError") in diary.told
    until(lambda: ("settled", 1, "Failed") in diary.told)
    assert ("ended", 1, "NoneType", None) not in diary.told
    go.set()
    until(lambda: ("ended", 1, "NoneType", None) in diary.told)


def test_one_that_breaks_harms_nobody(
    store: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Tasks are kept and run, the other companion is told of all, and the log tells of the broken one."""
    app = make_app(task_store=store)
    diary = Diary()
    for companion in (Breaks(), diary):
        app.engine.companions.add(companion)
    task_id = app.submit_task(fine)
    done(app, task_id)
    assert app.get_task(task_id).result == "fine"  # type: ignore[union-attr]
    until(lambda: len(diary.told) == 5)
    assert {record.message for record in caplog.records} == {"a companion of tasks raised"}
