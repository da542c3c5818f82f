"""The loop on which coroutine functions run: many together, and none that can end it for the others."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Heard, Helped

from hypern import TaskStatus, cancel_task, current_task, submit_task


async def sleeps() -> None:
    await asyncio.sleep(600)


async def names_thread() -> str:
    return threading.current_thread().name


async def raises(kind: type[BaseException]) -> None:
    raise kind("from a coroutine")


async def child_raises(kind: type[BaseException]) -> None:
    await asyncio.create_task(raises(kind))


async def callback_raises(kind: type[BaseException]) -> str:
    def callback() -> None:
        raise kind("from a callback")

    asyncio.get_running_loop().call_soon(callback)
    await asyncio.sleep(0.01)
    return "went on"


async def stops_the_loop() -> str:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)
    return "went on"


FATAL = [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]


def test_they_do_not_run_on_the_callers_loop(engine: Helped) -> None:
    """All coroutine tasks share one thread, which is not the submitter's."""

    async def submits() -> list[str]:
        return [submit_task(names_thread) for _ in range(5)]

    ids = asyncio.run(submits())
    assert {result.result for result in engine.done(*ids)} == {"hypern-task-loop"}


def test_a_blocking_coroutine_does_not_hold_the_callers_loop(engine: Helped, gate: Gate) -> None:
    """While a coroutine task blocks its loop, the loop that submitted it goes on."""

    async def blocks() -> str:
        return gate.hold()

    async def submitter() -> tuple[str, int]:
        task_id = submit_task(blocks)
        await asyncio.to_thread(gate.wait_entered)
        turns = 0
        for _ in range(100):
            await asyncio.sleep(0)
            turns += 1
        assert engine.now(task_id).is_running()
        gate.open()
        return task_id, turns

    task_id, turns = asyncio.run(submitter())
    assert turns == 100
    assert engine.one(task_id).result == "held"


def test_plain_functions_do_not_wait_for_a_blocked_loop(engine: Helped, gate: Gate) -> None:
    """A blocked task loop holds up coroutine tasks only, and those run once it is free."""

    async def blocks() -> str:
        return gate.hold()

    blocking = submit_task(blocks)
    gate.wait_entered()
    behind = submit_task(names_thread)
    assert engine.one(submit_task(int)).is_success()
    assert engine.now(behind).is_pending()
    gate.open()
    assert all(result.is_success() for result in engine.done(blocking, behind))


def test_the_limit_of_running_ones(use: Any) -> None:
    """No more than `task_async_limit` run at once; the others follow as those end."""
    engine = use(task_async_limit=3)
    running, most = 0, 0

    async def counted() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1

    results = engine.done(*[submit_task(counted) for _ in range(20)])
    assert all(result.is_success() for result in results)
    assert most == 3


@pytest.mark.parametrize("kind", FATAL)
@pytest.mark.parametrize("way", [raises, child_raises])
def test_whatever_a_coroutine_raises(engine: Helped, kind: type[BaseException], way: Any) -> None:
    """Exceptions that would end a program fail their task; other coroutines on the loop go on."""
    asleep = submit_task(sleeps)
    result = engine.one(submit_task(way, (kind,)))
    assert result.status is TaskStatus.FAILED
    assert result.error is not None
    assert result.error.startswith(kind.__name__)
    assert engine.one(submit_task(names_thread)).is_success()
    assert engine.now(asleep).is_running()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_whatever_a_callback_raises(
    engine: Helped, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that a task left behind cannot end the loop; it is logged."""
    assert engine.one(submit_task(callback_raises, (kind,))).result == "went on"
    assert engine.one(submit_task(names_thread)).is_success()
    assert "tried to end the event loop" in caplog.text


def test_a_task_cannot_stop_the_loop(engine: Helped) -> None:
    """A coroutine that calls stop() on its loop and goes on is finished like any other."""
    assert engine.one(submit_task(stops_the_loop)).result == "went on"
    assert engine.one(submit_task(names_thread)).is_success()


def test_cancelled_while_it_waits(engine: Helped) -> None:
    """A running coroutine gets CancelledError where it waits; it is CANCELLED when that comes out."""
    cleaned = threading.Event()
    begun = threading.Event()

    async def tidy() -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.set()

    task_id = submit_task(tidy)
    assert begun.wait(WAIT)
    assert cancel_task(task_id) is True
    assert engine.one(task_id).is_cancelled()
    assert cleaned.is_set()
    assert cancel_task(task_id) is False


def test_cancelled_before_its_first_step(engine: Helped) -> None:
    """Asked to stop between being claimed and its first step, a task still ends."""
    engine.events.listen(lambda event: event.name == "started" and cancel_task(event.task_id))
    results = engine.done(*[submit_task(sleeps) for _ in range(20)])
    assert {result.status for result in results} == {TaskStatus.CANCELLED}


def test_a_coroutine_may_refuse(engine: Helped) -> None:
    """One that swallows CancelledError and returns is COMPLETED: what it does is its outcome."""
    begun = threading.Event()

    async def stubborn() -> str:
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
        return "done all the same"

    task_id = submit_task(stubborn)
    assert begun.wait(WAIT)
    cancel_task(task_id)
    result = engine.one(task_id)
    assert (result.status, result.result) == (TaskStatus.COMPLETED, "done all the same")
    assert result.cancel_requested


def test_cancelled_error_of_its_own(engine: Helped) -> None:
    """CancelledError that nobody asked for is a failure, not a cancellation."""

    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    assert engine.one(submit_task(cancels_itself)).is_failed()


def test_no_retry_after_a_cancel(use: Any) -> None:
    """A task that was asked to stop and then fails is not tried again."""
    engine = use(task_workers=1)
    begun = threading.Event()

    async def fails_when_asked() -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            raise ValueError("tidying failed") from None

    task_id = submit_task(fails_when_asked, retries=5)
    assert begun.wait(WAIT)
    cancel_task(task_id)
    result = engine.one(task_id)
    assert (result.status, result.attempt) == (TaskStatus.FAILED, 1)


def test_leftovers_do_no_harm(engine: Helped) -> None:
    """Asyncio tasks and generators that a task leaves behind hold up neither others nor the stop."""

    async def numbers() -> AsyncIterator[int]:
        while True:
            yield 1
            await asyncio.sleep(600)

    async def leaves_things() -> None:
        kept.append(asyncio.create_task(sleeps()))
        generator = numbers()
        kept.append(generator)
        await anext(generator)

    kept: list[Any] = []
    assert all(
        result.is_success() for result in engine.done(*[submit_task(leaves_things) for _ in range(50)])
    )
    started = time.monotonic()
    assert engine.stop(grace=2 * WAIT) == []
    assert time.monotonic() - started < WAIT


def test_a_coroutine_that_refuses_to_end_at_the_stop(
    engine: Helped, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopping waits for one that swallows its cancellation no longer than a bounded time, and names it."""
    begun, enough = threading.Event(), threading.Event()

    async def immortal() -> None:
        begun.set()
        while not enough.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                pass

    task_id = submit_task(immortal)
    assert begun.wait(WAIT)
    started = time.monotonic()
    left = engine.stop(grace=0.1)
    assert time.monotonic() - started < WAIT
    assert [record.id for record in left] == [task_id]
    assert task_id in caplog.text
    enough.set()


def test_blocked_for_good_at_the_stop(engine: Helped, gate: Gate) -> None:
    """A coroutine that blocks its loop does not hold up a stop beyond grace and a moment."""

    async def blocks() -> str:
        return gate.hold()

    submit_task(blocks)
    gate.wait_entered()
    started = time.monotonic()
    assert len(engine.stop(grace=0.1)) == 1
    assert time.monotonic() - started < WAIT / 2


def test_events_of_a_coroutine(engine: Helped) -> None:
    """Listeners hear of coroutine tasks what they hear of plain ones."""
    heard = Heard()
    engine.events.listen(heard)
    task_id = submit_task(names_thread)
    assert engine.wait_until(lambda: engine.now(task_id).is_done(), WAIT)
    engine.one(submit_task(names_thread))
    assert heard.names(task_id) == ["submitted", "started", "finished"]


def test_current_task_in_children(engine: Helped) -> None:
    """current_task() is known in what a coroutine awaits, starts and sends to threads."""

    async def asks() -> set[str]:
        async def child() -> str:
            return current_task().task_id

        return {
            current_task().task_id,
            await child(),
            await asyncio.create_task(child()),
            await asyncio.to_thread(lambda: current_task().task_id),
        }

    task_id = submit_task(asks)
    assert engine.one(task_id).result == {task_id}


def test_silence_about_success(engine: Helped, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged about coroutine tasks that do well."""
    with caplog.at_level(logging.DEBUG):
        engine.done(*[submit_task(names_thread) for _ in range(10)])
    assert [record for record in caplog.records if record.name.startswith("hypern")] == []
