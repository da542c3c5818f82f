"""`app.use(Sentry())`: a task that fails is an event of Sentry, which says which task, attempt and queue."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from hypern.errors import ConfigurationError
from hypern.records import Again, Ending, Failed, TaskRecord
from hypern.tasks.companions import Companion, Ended
from hypern.tasks.engine import Engine
from hypern.tasks.failure import failure
from hypern.tasks.retry import may_try_again
from hypern.tasks.runtime import current_engine
from hypern.tasks.wishes import Wish


class Sentry(Companion):
    """Sends what fails in tasks to Sentry: `app.use(Sentry())`, after `sentry_sdk.init(...)` of your own.

    Each attempt runs in an isolation scope of its own, with the tags `task_name`, `queue` and `attempt`, and
    the context `task`. The arguments are not sent, except where Sentry itself sends local variables
    (`include_local_variables`, which is its default). An event is what ends a task as FAILED: an exception, a
    time-out, the death of the process of an isolated task. `retried`: also each attempt that raised and after
    which there is another one, at the level warning.
    """

    def __init__(self, *, retried: bool = False) -> None:
        self._retried = retried
        # Attempts of which an event has been sent, or that need none, until it is recorded how they ended.
        self._seen: set[tuple[str, int]] = set()

    def install(self, app: Any) -> None:
        """`app.use` calls it. ConfigurationError for a router."""
        engine = getattr(app, "engine", None)
        if not isinstance(engine, Engine):
            raise ConfigurationError("Sentry is for a whole app: app.use(Sentry()), without a path.")
        self._join(engine)

    def install_alone(self) -> None:
        """In a program without a `Hypern` app: for the tasks of its module-level functions. To be called
        after `configure`."""
        self._join(current_engine())

    def _join(self, engine: Engine) -> None:
        engine.companions.add(self)
        sentry_sdk.get_global_scope().add_event_processor(_without_log_lines)

    def beginning(self, record: TaskRecord) -> Ended:
        key = (record.id, record.attempt)
        around = sentry_sdk.isolation_scope()
        scope = around.__enter__()
        # In memory a task has the variables of its submitter, whose past is not its own.
        scope.clear_breadcrumbs()
        _describe(scope, record, record.attempt)

        def ended(exception: BaseException | None, error: str | None) -> None:
            try:
                if exception is not None and not isinstance(exception, Wish):
                    self._capture(scope, record, key, exception)
            finally:
                around.__exit__(None, None, None)

        return ended

    def _capture(
        self, scope: sentry_sdk.Scope, record: TaskRecord, key: tuple[str, int], exception: BaseException
    ) -> None:
        if not isinstance(exception, Exception):
            return  # being cancelled or stopped; where that is a failure, it is settled as one
        is_retried = may_try_again(record, failure(exception))
        self._seen.add(key)
        if is_retried and not self._retried:
            return
        event, hint = event_from_exception(
            exception,
            client_options=sentry_sdk.get_client().options,
            mechanism={"type": "hypern", "handled": False},
        )
        event["level"] = "warning" if is_retried else "error"
        scope.capture_event(event, hint=hint)

    def settled(self, record: TaskRecord, attempt: int, ending: Ending) -> None:
        key = (record.id, attempt)
        if key in self._seen:
            self._seen.discard(key)
            return
        if isinstance(ending, Failed) or (isinstance(ending, Again) and ending.traceback and self._retried):
            # No exception was seen here: its time was up, or its process has died.
            with sentry_sdk.isolation_scope() as scope:
                scope.clear_breadcrumbs()
                _describe(scope, record, attempt)
                scope.set_extra("traceback", ending.traceback)
                scope.capture_event(
                    {
                        "level": "error" if isinstance(ending, Failed) else "warning",
                        "logentry": {"message": f"{record.name}: {ending.error}"},
                        "fingerprint": ["hypern", record.name, ending.error.partition(":")[0]],
                    }
                )


def _describe(scope: sentry_sdk.Scope, record: TaskRecord, attempt: int) -> None:
    scope.set_transaction_name(record.name, source="task")
    scope.set_tag("task_name", record.name)
    scope.set_tag("queue", record.spec.queue)
    scope.set_tag("attempt", str(attempt))
    about = {"id": record.id, "name": record.name, "attempt": attempt, "queue": record.spec.queue}
    if record.trail is not None and "request_id" in record.trail:
        scope.set_tag("request_id", record.trail["request_id"])
    scope.set_context("task", about)


def _without_log_lines(event: Any, hint: dict[str, Any]) -> Any:
    """The line that is logged when a task fails is no second event."""
    return None if hasattr(hint.get("log_record"), "task_outcome") else event
