"""Help for testing a program that uses Hypern: a client without a socket, tasks that run when told to."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from urllib.parse import quote

from hypern.app import Hypern
from hypern.clock import ManualClock
from hypern.records import TERMINAL, TaskStatus
from hypern.results import TaskResult
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.runtime import default_settings, use_engine
from hypern.tasks.ticking import Ticker

try:
    from starlette.testclient import TestClient
except (ImportError, RuntimeError) as error:
    # Starlette names the library, and not the extra that has the version which fits.
    raise ImportError(
        "hypern.testing needs a library that is missing (httpx2). Install it: pip install 'hypern[testing]'."
    ) from error

__all__ = ["ManualClock", "TaskRunner", "TestClient"]

# Seconds since the epoch, as a float, cannot tell moments apart that lie closer together.
_SMALLEST_STEP = 1e-6


class TaskRunner:
    """Tasks wait until they are told to run, and time passes when told to; the engine is the real one.

    `with TaskRunner(app) as tasks:` puts a fresh, empty engine with a `ManualClock` in the place of the
    app's, and of the one that the module-level functions use; without an app, of the latter only. At the
    end of the block the former engine is back and the tasks of the block are gone. An app whose tasks are
    kept in a SQLite file gets an empty one in a temporary directory, one of PostgreSQL a schema of its own in
    the same database, which is dropped at the end. `now`: what the clock shows at first, an
    aware datetime; the present unless given. ValueError for one without a time zone.
    """

    def __init__(self, app: Hypern | None = None, *, now: datetime | None = None) -> None:
        if now is not None and now.tzinfo is None:
            raise ValueError(f"{now!r} does not say its time zone; write datetime(..., tzinfo=UTC).")
        self.clock = ManualClock(None if now is None else now.timestamp())
        self._app = app
        settings = default_settings() if app is None else app.engine.settings
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        if settings.task_store.startswith("sqlite:"):
            self._directory = tempfile.TemporaryDirectory(prefix="hypern-tasks-")
            store = f"sqlite:///{quote(self._directory.name)}/tasks.db?synchronous=normal"
            settings = replace(settings, task_store=store, task_workers=settings.task_workers or 1)
        self._schema: str | None = None
        if settings.task_store.startswith(("postgresql:", "postgres:")):
            from hypern.stores.postgres import apart  # noqa: PLC0415 - its driver is an extra

            self._schema = apart.beside(settings.task_store, f"hypern_test_{secrets.token_hex(6)}")
            settings = replace(settings, task_store=self._schema, task_workers=settings.task_workers or 1)
        self.engine = Engine(settings, self.clock)
        self._ticker = Ticker(self.engine)
        self._former_of_app: Engine | None = None
        self._former: Engine | None = None

    def __enter__(self) -> TaskRunner:
        self.engine.pause()
        self._former = use_engine(self.engine)
        if self._app is not None:
            self._former_of_app, self._app.engine = self._app.engine, self.engine
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        use_engine(self._former)
        if self._app is not None and self._former_of_app is not None:
            self._app.engine = self._former_of_app
        self.engine.discard()
        if self._directory is not None:
            self._directory.cleanup()
        if self._schema is not None:
            from hypern.stores.postgres import apart  # noqa: PLC0415 - its driver is an extra

            apart.drop(self._schema)

    def pending(self) -> list[TaskResult]:
        """The tasks that wait, delayed ones included, in the order of submission."""
        return self._results({TaskStatus.PENDING})

    def run_pending(self, timeout: float = 5.0) -> list[TaskResult]:
        """Run all that is due, and what that submits, until nothing is due. The tasks that ended.

        Raises TimeoutError if that takes more than `timeout` real seconds.
        """
        before = {result.task_id for result in self._results(TERMINAL)}
        self._run_until(self.engine.idle, timeout, "the tasks that are due did not all end")
        return [result for result in self._results(TERMINAL) if result.task_id not in before]

    def advance(self, seconds: float) -> None:
        """Let `seconds` (>= 0) pass at once: delayed tasks may become due, recurring ones are submitted
        at each of their ticks. They still wait to be run."""
        left = seconds
        while (tick := self._ticker.turn()) is not None:
            step = max(tick - self.clock.steady(), _SMALLEST_STEP)
            if not step <= left:
                break
            self.clock.advance(step)
            left -= step
        self.clock.advance(left)
        self._ticker.turn()

    def wait(self, task_id: str, timeout: float = 5.0) -> TaskResult:
        """Let tasks run until this one has ended. It.

        Raises TimeoutError if it has not ended after `timeout` real seconds (a delayed one needs
        `advance` first), KeyError for an id that is not known.
        """

        def ended() -> bool:
            result = look_up(self.engine, task_id)
            if result is None:
                raise KeyError(task_id)
            return result.is_done()

        self._run_until(ended, timeout, f"the task {task_id} did not end")
        result = look_up(self.engine, task_id)
        assert result is not None
        return result

    def _run_until(self, condition: Callable[[], bool], timeout: float, complaint: str) -> None:
        self.engine.resume()
        try:
            if not self.engine.wait_until(condition, timeout):
                raise TimeoutError(f"{complaint} within {timeout:g} s.")
        finally:
            self.engine.pause()

    def _results(self, statuses: frozenset[TaskStatus] | set[TaskStatus]) -> list[TaskResult]:
        return [TaskResult.of(record) for record in self.engine.store.find(statuses)]
