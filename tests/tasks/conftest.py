"""What the tests of the engine share: an engine for each test, scripts in processes of their own, waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.script import Script

from hypern.clock import Clock
from hypern.config import Settings
from hypern.events import Event
from hypern.results import TaskResult
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.runtime import use_engine

WAIT = 20.0


class Helped(Engine):
    """An engine with the waiting that tests need."""

    def done(self, *task_ids: str) -> list[TaskResult]:
        """Wait until these tasks have ended; what became of them."""

        def ended() -> bool:
            return all(result is not None and result.is_done() for result in map(self.look, task_ids))

        assert self.wait_until(ended, WAIT), [self.look(task_id) for task_id in task_ids]
        return [self.now(task_id) for task_id in task_ids]

    def one(self, task_id: str) -> TaskResult:
        return self.done(task_id)[0]

    def look(self, task_id: str) -> TaskResult | None:
        return look_up(self, task_id)

    def now(self, task_id: str) -> TaskResult:
        result = self.look(task_id)
        assert result is not None
        return result

    def settle(self) -> None:
        """Wait until nothing runs and nothing is due."""
        assert self.wait_until(self.idle, WAIT)


class Gate:
    """A task that stands still: `gate.hold()` runs until `gate.open()`; `gate.entered` tells it has begun."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._opened = threading.Event()

    def hold(self) -> str:
        self.entered.release()
        assert self._opened.wait(WAIT)
        return "held"

    def wait_entered(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.entered.acquire(timeout=WAIT)

    def open(self) -> None:
        self._opened.set()


class Heard:
    """Collects what happens to tasks: `heard.names(id)`, in the order in which it happened, but
    "submitted" first: the submitter and the worker that starts the task at once tell of it side by side."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def names(self, task_id: str) -> list[str]:
        names = [event.name for event in self.events if event.task_id == task_id]
        return sorted(names, key=lambda name: name != "submitted")


@pytest.fixture
def make_engine() -> Iterator[Callable[..., Helped]]:
    """Make engines; all are ended with the test, without waiting."""
    made: list[Helped] = []

    def make(clock: Clock | None = None, **settings: Any) -> Helped:
        made.append(Helped(Settings(**settings), clock))
        return made[-1]

    yield make
    for engine in made:
        engine.discard()


@pytest.fixture
def use(make_engine: Callable[..., Helped]) -> Iterator[Callable[..., Helped]]:
    """Make an engine and let the module-level functions use it."""
    before = use_engine(None)

    def make(clock: Clock | None = None, **settings: Any) -> Helped:
        engine = make_engine(clock, **settings)
        use_engine(engine)
        return engine

    yield make
    use_engine(before)


@pytest.fixture
def engine(use: Callable[..., Helped]) -> Helped:
    """The engine that the module-level functions use in this test."""
    return use()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end of the test, whatever happened."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def run_script(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    """Start programs; what still runs in the end is killed."""
    started: list[Script] = []

    def run(source: str, **environment: str) -> Script:
        started.append(Script(tmp_path, source, environment))
        return started[-1]

    yield run
    for script in started:
        script.kill()
