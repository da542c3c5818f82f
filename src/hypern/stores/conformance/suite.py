"""What the parts of the suite share: how a store is opened, how tasks are made and brought on their way."""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from typing import Any, Literal

import pytest

from hypern.records import (
    Cancelled,
    Completed,
    Ending,
    Failed,
    Lane,
    Rules,
    TaskRecord,
    TaskSpec,
    TaskStatus,
)
from hypern.stores.base import Store

PENDING, RUNNING = TaskStatus.PENDING, TaskStatus.RUNNING
COMPLETED, FAILED, CANCELLED = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED
THREAD, LOOP = Lane.THREAD, Lane.LOOP

# The wall-clock second at which the tests begin.
NOW = 1_700_000_000.0

FAILURE = Failed("ValueError: bad row", "Traceback …")
ENDINGS: dict[TaskStatus, Ending] = {COMPLETED: Completed(42), FAILED: FAILURE, CANCELLED: Cancelled()}

_numbers = itertools.count()


class Suite(ABC):
    @abstractmethod
    def make_store(self, *, capacity: int = 1000, keep: int = 1000, keep_seconds: float = 60.0) -> Store:
        """An empty store. `capacity`: the most tasks PENDING; `keep`, `keep_seconds`: how many ended tasks
        it keeps at most, and how long."""

    @pytest.fixture
    def store(self) -> Store:
        """A store that is roomy enough for every test that is not about room."""
        return self.make_store()


def task_function(*args: Any, **kwargs: Any) -> None:
    """What the tasks of the suite would call; at the top of a module, so that any store can name it."""


def other_function(*args: Any, **kwargs: Any) -> None:
    """Another one."""


def make_record(
    task_id: str | None = None,
    *,
    lane: Lane = THREAD,
    priority: int = 0,
    due: float | None = None,
    wall: float = NOW,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    retries: int = 0,
    func: Callable[..., Any] = task_function,
    queue: str = "default",
    unique_key: str | None = None,
    unique_for: float | None = None,
    expires_at: float | None = None,
    rate: float | None = None,
    result_ttl: float | None = None,
    on_crash: Literal["retry", "fail"] = "retry",
) -> TaskRecord:
    """A PENDING task as `submit` makes it at `wall`. `due`, `expires_at`: steady-clock seconds, None for at
    once and for ever."""
    rules = Rules(
        priority=priority,
        queue=queue,
        retries=retries,
        expires=None if expires_at is None else expires_at - (due or 0.0),
        unique_for=unique_for,
        rate=rate,
        result_ttl=result_ttl,
        on_crash=on_crash,
    )
    return TaskRecord(
        id=f"task-{next(_numbers):06d}" if task_id is None else task_id,
        spec=TaskSpec.of(f"conformance:{func.__name__}", func, func, lane, rules),
        args=args,
        kwargs=kwargs or {},
        submitted_at=wall,
        due=due,
        context=None,
        ready_at=wall,
        expires_at=expires_at,
        unique_key=unique_key,
    )


class Ear:
    """Hears how endings came out that a store left open, and in which lanes there is new work."""

    def __init__(self) -> None:
        self.answers: defaultdict[str, deque[bool]] = defaultdict(deque)
        self.ready: set[Lane] = set()

    def on_finished(self, record: TaskRecord, ending: Ending, recorded: bool) -> None:
        self.answers[record.id].append(recorded)

    def on_ready(self, lanes: Collection[Lane]) -> None:
        self.ready.update(lanes)

    def on_cancel_requested(self, task_ids: Collection[str]) -> None:
        pass

    def on_due(self, moment: float) -> None:
        pass


_ear = Ear()


def finish(
    store: Store, record: TaskRecord, fence: int, ending: Ending, wall: float = NOW, ear: Ear = _ear
) -> bool:
    """`store.finish`, and wait until it has been recorded or refused: which of them."""
    store.attach(ear)
    answer = store.finish(record, fence, ending, wall)
    if answer is None:
        store.flush()
        answer = ear.answers[record.id].popleft()
    return answer


def release_all(store: Store, steady: float, wall: float = NOW) -> set[Lane]:
    """Call `release` until nothing is left that is due: all the lanes that got some."""
    lanes: set[Lane] = set()
    while (due := store.next_due()) is not None and due <= steady:
        lanes |= set(store.release(steady, wall))
    return lanes


def claim_one(store: Store, lane: Lane = THREAD) -> TaskRecord:
    """Claim a task that must be there."""
    record = store.claim(lane, NOW)
    assert record is not None
    return record


def claimed(store: Store, record: TaskRecord) -> TaskRecord:
    """Add a task and claim it."""
    store.add(record)
    running = claim_one(store, record.lane)
    assert running.id == record.id
    return running


def claim_ids(store: Store, lane: Lane = THREAD, wall: float = NOW) -> list[str]:
    """Claim everything that waits in a lane: the ids, in order."""
    return [record.id for record in iter(lambda: store.claim(lane, wall), None)]


def kept(store: Store, task_id: str) -> TaskRecord:
    """The record of a task that the store must still have."""
    record = store.get(task_id)
    assert record is not None
    return record


def together(work: Callable[[int], None], threads: int = 8) -> None:
    """Call `work(0)`, `work(1)`, … in so many threads that begin at once; raise what one of them raises."""
    barrier = threading.Barrier(threads)
    raised: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    started = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if raised:
        raise raised[0]
