"""Waiting for a task, in threads and coroutines, whichever process runs it."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hypern import InvalidOption, background, cancel_task, current_task, wait_for_task, wait_for_task_async
from hypern.config import Settings
from hypern.stores.base import Store
from hypern.stores.overview import Mark
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import use_engine

WAIT = 20.0
gate = threading.Event()


@background()
def add(a: int, b: int) -> int:
    return a + b


@background()
def waits() -> str:
    gate.wait(WAIT)
    return "waited"


@background()
def says() -> None:
    current_task().progress(0.5, "half")
    gate.wait(WAIT)


@pytest.fixture(params=["memory", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    gate.clear()
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db?synchronous=normal"
    engine = Engine(Settings.read(task_store=store))
    before = use_engine(engine)
    yield engine
    gate.set()
    use_engine(before)
    engine.stop()
    engine.discard()


def mark(engine: Engine, task_id: str) -> Mark:
    record = engine.store.get(task_id)
    assert record is not None
    return Mark.of(record)


def thread_of(engine: Engine) -> threading.Thread:
    loop = engine.changes._loop
    assert loop is not None
    return loop._thread


def test_a_thread_gets_the_ended_task(engine: Engine) -> None:
    """`wait_for_task` answers with the result, also for a task that had ended before."""
    task_id = add(2, 3)
    for _ in range(2):
        found = wait_for_task(task_id, WAIT)
        assert found is not None
        assert found.result == 5


def test_many_coroutines_get_theirs(engine: Engine) -> None:
    """Many wait at the same time, on one loop, and each is told of its own task."""

    async def all_of_them() -> list[int]:
        ids = [add(number, number) for number in range(50)]
        found = await asyncio.gather(*(wait_for_task_async(task_id, WAIT) for task_id in ids))
        return [one.result for one in found if one is not None]

    assert asyncio.run(all_of_them()) == [2 * number for number in range(50)]


def test_patience_ends(engine: Engine) -> None:
    """TimeoutError for a task that has not ended; it goes on, and can be waited for again."""
    task_id = waits()
    with pytest.raises(TimeoutError, match=task_id):
        wait_for_task(task_id, 0.01)
    with pytest.raises(TimeoutError, match=task_id):
        asyncio.run(wait_for_task_async(task_id, 0))
    gate.set()
    found = wait_for_task(task_id, WAIT)
    assert found is not None
    assert found.result == "waited"


def test_unknown_and_impossible(engine: Engine) -> None:
    """None for what is no id of a kept task, InvalidOption for a timeout that is none."""
    assert wait_for_task("nobody") is None
    assert asyncio.run(wait_for_task_async("nobody")) is None
    for timeout in (-1, math.nan, math.inf, True, "1"):
        with pytest.raises(InvalidOption, match="timeout"):
            wait_for_task("nobody", timeout)  # type: ignore[arg-type]


def test_progress_and_cancelling_are_changes(engine: Engine) -> None:
    """Whoever waits for a change is told of progress, and of a wish to cancel."""
    task_id = says()
    known = mark(engine, task_id)
    while known.progress is None:
        assert engine.changes.differs_sync(task_id, known, WAIT)
        known = mark(engine, task_id)
    assert known.progress.message == "half"
    waiter: list[bool] = []
    thread = threading.Thread(
        target=lambda: waiter.append(engine.changes.differs_sync(task_id, known, WAIT)), daemon=True
    )
    thread.start()
    assert cancel_task(task_id)
    thread.join(WAIT)
    assert waiter == [True]
    assert mark(engine, task_id).cancel_requested


def test_nothing_is_looked_at_while_nobody_waits(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked for marks only while somebody waits, and then for all of them in one question."""
    asked: list[frozenset[str]] = []
    rested = threading.Event()
    marks, look = engine.store.marks, engine.changes._look

    def counted(task_ids: frozenset[str]) -> dict[str, Mark]:
        asked.append(task_ids)
        return marks(task_ids)

    def looking() -> float | None:
        following = look()
        if following is None:
            rested.set()
        return following

    monkeypatch.setattr(engine.store, "marks", counted)
    monkeypatch.setattr(engine.changes, "_look", looking)
    ids = [waits(), add(1, 1), waits()]

    async def wait_for_two() -> None:
        waiting = [asyncio.ensure_future(wait_for_task_async(task_id)) for task_id in ids]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        while frozenset({ids[0], ids[2]}) not in asked:
            await asyncio.sleep(0.005)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(wait_for_two())
    assert rested.wait(WAIT)
    assert not engine.changes._waiting


def test_a_stopped_engine_ends_its_thread(engine: Engine) -> None:
    """After `stop` no thread of the waiting is left; who comes then gets another one."""
    task_id = add(1, 1)
    engine.changes.differs_sync(task_id, None, WAIT)
    begun = thread_of(engine)
    engine.stop()
    assert not begun.is_alive()
    assert engine.changes.differs_sync(task_id, None, WAIT)


def test_who_waits_outlives_a_stop(engine: Engine) -> None:
    """A stop that is not the last one is not noticed by who waits; after the last one no thread is left."""
    task_id = waits()
    waiter: list[bool] = []

    def wait() -> None:
        for _ in range(2):
            known = mark(engine, task_id)
            waiter.append(engine.changes.differs_sync(task_id, known, WAIT))

    thread = threading.Thread(target=wait)
    while mark(engine, task_id).status != "running":
        pass
    thread.start()
    while not engine.changes._waiting:
        pass
    engine.changes.stop()
    assert cancel_task(task_id)
    while not waiter:
        pass
    assert waiter[0]
    while not engine.changes._waiting:
        pass
    begun = thread_of(engine)
    engine.changes.stop(final=True)
    assert not begun.is_alive()
    assert engine.changes._loop is None
    for waiting in list(engine.changes._waiting):
        waiting.tell()
    thread.join(WAIT)


class _Unlucky:
    """A store that cannot be read at first."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failed = threading.Event()

    def marks(self, task_ids: frozenset[str]) -> dict[str, Mark]:
        from hypern.errors import QueueUnavailable

        if not self.failed.is_set():
            self.failed.set()
            raise QueueUnavailable("the disk is on fire")
        return self.store.marks(task_ids)


def test_trouble_of_the_store_is_outlived(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that cannot be read is said so once; who waits goes on waiting and is told later."""
    unlucky = _Unlucky(engine.store)
    monkeypatch.setattr(engine.changes, "_store", unlucky)
    assert engine.changes.differs_sync("nobody", Mark.of(_record(engine)), WAIT)
    assert unlucky.failed.is_set()
    assert [record.getMessage() for record in caplog.records] == [
        "who waits for tasks is not told at the moment: the disk is on fire"
    ]


def _record(engine: Engine):  # type: ignore[no-untyped-def]
    record = engine.store.get(add(1, 1))
    assert record is not None
    return record
