"""What a task returns or raises to be run again, later, or not at all; and what is remembered of it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Helped

from hypern import (
    Backoff,
    Cancel,
    InvalidOption,
    Retry,
    Snooze,
    TaskStatus,
    background,
    cancel_task,
    current_task,
    submit_task,
)
from hypern.clock import ManualClock
from hypern.records import Cancelled, Failed, TaskRecord, Wanted
from hypern.tasks.finish import decide
from hypern.tasks.retry import RETRIES_WHEN_ASKED, may_try_again
from hypern.tasks.wishes import Wish

Make = Callable[[Callable[[], Any]], Callable[[], Any]]


def returned(wish: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: wish()


def raised(wish: Callable[[], Any]) -> Callable[[], Any]:
    def raising() -> Any:
        value = wish()
        if isinstance(value, Wish):
            raise value
        return value

    return raising


def in_a_coroutine(make: Make) -> Make:
    def make_coroutine(wish: Callable[[], Any]) -> Callable[[], Any]:
        function = make(wish)

        async def coroutine() -> Any:
            return function()

        return coroutine

    return make_coroutine


WAYS: dict[str, Make] = {
    "returned": returned,
    "raised": raised,
    "returned by a coroutine": in_a_coroutine(returned),
    "raised in a coroutine": in_a_coroutine(raised),
}


@pytest.fixture(params=WAYS)
def make(request: pytest.FixtureRequest) -> Make:
    """A function that says a wish in one of the four ways."""
    return WAYS[request.param]


def test_retry(engine: Helped, make: Make) -> None:
    """Retry: the task runs again and the attempt is spent; what it returns then is its result."""
    function = make(lambda: Retry(0, "not yet") if current_task().attempt < 3 else "done")
    result = engine.one(submit_task(function))
    assert (result.status, result.result, result.attempt) == (TaskStatus.COMPLETED, "done", 3)
    assert [past.error for past in result.attempts] == ["Retry: not yet"] * 2


def test_snooze(engine: Helped, make: Make) -> None:
    """Snooze: the task runs again as the same attempt, more often than any number of retries would let it."""
    times: list[int] = []

    def wish() -> Any:
        times.append(current_task().attempt)
        return Snooze(0) if len(times) < 40 else "done"

    result = engine.one(submit_task(make(wish), retries=0))
    assert (result.status, result.result, result.attempt) == (TaskStatus.COMPLETED, "done", 1)
    assert times == [1] * 40
    assert result.attempts == ()


def test_cancel(engine: Helped, make: Make) -> None:
    """Cancel: the task is CANCELLED and says why; its retries are for failures, not for this."""
    result = engine.one(submit_task(make(lambda: Cancel("nothing to send")), retries=3, backoff=0))
    assert (result.status, result.reason, result.attempt) == (TaskStatus.CANCELLED, "nothing to send", 1)
    assert (result.result, result.error, result.attempts) == (None, None, ())
    assert engine.one(submit_task(make(Cancel))).reason == "cancelled by the task itself"


def test_retry_without_retries_ends(engine: Helped, make: Make) -> None:
    """A task that says nothing about retries is run again RETRIES_WHEN_ASKED times, and has FAILED then."""
    result = engine.one(submit_task(make(lambda: Retry(0, "busy"))))
    assert (result.status, result.attempt) == (TaskStatus.FAILED, 1 + RETRIES_WHEN_ASKED)
    assert result.error == f"Retry: busy (after the last attempt, number {result.attempt})"


@pytest.mark.parametrize("retries", [0, 2])
def test_retry_keeps_to_the_retries(engine: Helped, make: Make, retries: int) -> None:
    """With `retries` given, a Retry is followed just so often."""
    result = engine.one(submit_task(make(lambda: Retry(0)), retries=retries))
    assert (result.status, result.attempt) == (TaskStatus.FAILED, 1 + retries)
    assert result.error is not None
    assert result.error.startswith("Retry (after the last attempt")


def test_a_wish_waits_as_long_as_it_says(use: Any) -> None:
    """Retry(delay) and Snooze(seconds) wait so long; Retry() waits as the backoff says."""
    clock = ManualClock()
    engine = use(clock)
    ids = {
        10.0: submit_task(lambda: Retry(10)),
        20.0: submit_task(lambda: Snooze(20)),
        30.0: submit_task(Retry, backoff=30),
        8.0: submit_task(Retry, backoff=Backoff(first=8, jitter=False)),
    }
    for wait, task_id in ids.items():
        waiting = lambda task_id=task_id: engine.store.get(task_id).due is not None  # noqa: E731
        assert engine.wait_until(waiting, WAIT)
        assert engine.store.get(task_id).due == wait


def test_a_request_to_stop_ends_the_wishes(engine: Helped, make: Make) -> None:
    """A task that was asked to stop and wants to be run again is CANCELLED."""
    for wish in (Retry(0), Snooze(0)):

        def ask(wish: Wish = wish) -> Wish:
            assert cancel_task(current_task().task_id)
            return wish

        assert engine.one(submit_task(make(ask))).status is TaskStatus.CANCELLED


def test_a_request_that_comes_while_it_is_decided(engine: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to stop that comes between the decision to run again and its being written is not lost."""
    finish = engine.store.finish

    def cancelled_just_before(record: TaskRecord, *args: Any) -> bool | None:
        engine.cancel(record.id)
        return finish(record, *args)

    monkeypatch.setattr(engine.store, "finish", cancelled_just_before)
    result = engine.one(submit_task(lambda: Snooze(3600)))
    assert result.status is TaskStatus.CANCELLED


@pytest.mark.parametrize(
    ("make_wish", "hint"),
    [
        (lambda: Retry(-1), "Retry"),
        (lambda: Retry("5"), "Retry"),  # type: ignore[arg-type]
        (lambda: Retry(0, 5), "reason as a str, not int"),  # type: ignore[arg-type]
        (lambda: Snooze(float("nan")), "Snooze"),
        (lambda: Snooze(10**400), "Snooze"),
        (lambda: Snooze(True), "Snooze"),
        (lambda: Cancel(None), "reason as a str, not NoneType"),  # type: ignore[arg-type]
    ],
)
def test_wishes_that_cannot_be(engine: Helped, make_wish: Callable[[], Wish], hint: str) -> None:
    """A wish with a wrong value is refused where it is written; a task that writes it has FAILED."""
    with pytest.raises(InvalidOption, match=hint):
        make_wish()
    result = engine.one(submit_task(make_wish))
    assert result.error is not None
    assert result.error.startswith("InvalidOption: ")


def test_a_wish_that_was_not_made_as_usual(engine: Helped, make: Make) -> None:
    """An object without what a wish consists of is a failure of its task, not of the worker."""
    for broken in (Retry.__new__(Retry), Wish()):
        result = engine.one(submit_task(make(lambda broken=broken: broken)))
        if type(broken) is Retry:
            assert result.status is TaskStatus.FAILED
    assert engine.one(submit_task(make(lambda: "lives"))).result == "lives"


def test_wishes_have_no_subclasses() -> None:
    """A subclass, which would not be recognised when it is returned, cannot be written."""
    for kind in (Retry, Snooze, Cancel):
        with pytest.raises(TypeError, match=f"{kind.__name__} cannot be subclassed"):
            type("Mine", (kind,), {})


@pytest.mark.parametrize("wish", [Retry(5, "busy"), Retry(), Snooze(3), Snooze(3, "later"), Cancel("no")])
def test_wishes_can_be_copied(wish: Wish) -> None:
    """A copy, also one that came through a pickle of the task's own, says the same; so do its words."""
    for other in (copy.copy(wish), pickle.loads(pickle.dumps(wish))):
        assert (type(other), other.outcome(), str(other)) == (type(wish), wish.outcome(), str(wish))


def test_the_history_of_a_task(use: Any) -> None:
    """TaskResult.attempts tells each failed attempt: number, aware times in order, error and traceback."""
    clock = ManualClock(wall=1_700_000_000.0)
    engine = use(clock, task_workers=1)

    def fails() -> str:
        clock.advance(1.0)
        if current_task().attempt == 3:
            return "at last"
        raise ValueError(f"no. {current_task().attempt}")

    result = engine.one(submit_task(fails, retries=5, backoff=0))
    assert (result.result, result.error, result.traceback) == ("at last", None, None)
    assert [(past.number, past.error) for past in result.attempts] == [
        (1, "ValueError: no. 1"),
        (2, "ValueError: no. 2"),
    ]
    start = datetime.fromtimestamp(1_700_000_000, UTC).timestamp()
    times = [(past.started_at.timestamp(), past.finished_at.timestamp()) for past in result.attempts]
    assert times == [(start, start + 1), (start + 1, start + 2)]
    assert result.attempts[0].finished_at.tzinfo is UTC
    for past in result.attempts:
        assert 'raise ValueError(f"no. {current_task().attempt}")' in past.traceback


def test_the_last_failure_is_in_the_history(engine: Helped) -> None:
    """A FAILED task's last attempt is the last of `attempts`, with the same error and traceback."""

    def fails() -> None:
        raise ValueError("bad row")

    result = engine.one(submit_task(fails, retries=1, backoff=0))
    assert [past.number for past in result.attempts] == [1, 2]
    assert (result.attempts[-1].error, result.attempts[-1].traceback) == (result.error, result.traceback)


class Broken(ConnectionError):
    """A subclass of what is retried."""


@pytest.mark.parametrize(
    ("kind", "attempts"), [(ConnectionError, 3), (Broken, 3), (KeyError, 3), (OSError, 1), (ValueError, 1)]
)
def test_only_after_these_exceptions(engine: Helped, kind: type[Exception], attempts: int) -> None:
    """retry_on: another attempt after these exceptions and their subclasses, none after others."""

    @background(retries=2, backoff=0, retry_on=(ConnectionError, LookupError))
    def fails() -> None:
        raise kind("no luck")

    @background(retries=2, backoff=0, retry_on=(ConnectionError, LookupError))
    async def fails_too() -> None:
        raise kind("no luck")

    assert [result.attempt for result in engine.done(fails(), fails_too())] == [attempts] * 2


def test_the_exception_that_python_ends_with(engine: Helped) -> None:
    """retry_on: also what is no Exception can be named."""

    def leaves() -> None:
        raise SystemExit(3)

    assert engine.one(submit_task(leaves, retries=1, backoff=0, retry_on=SystemExit)).attempt == 2
    assert engine.one(submit_task(leaves, retries=1, backoff=0, retry_on=Exception)).attempt == 1


def test_none_after_a_request_to_stop() -> None:
    """A task that was asked to stop is not tried again."""
    spec = background(retries=5)(int).spec
    record = TaskRecord("one", spec, (), {}, 0.0, None, None, 0.0, attempt=1)
    assert may_try_again(record, Failed("E", ""))
    record.cancel_requested = True
    assert not may_try_again(record, Failed("E", ""))
    assert decide(record, Wanted(0.0, True, "Retry"), 0.0) == Cancelled()
