"""Companions: who goes along with a task from its submit to the end of each attempt, such as a tracer.

One that raises is logged and harms nobody. Where there are none, nothing of this costs anything.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from typing import Any

from hypern.codec.calls import checked_trail
from hypern.records import Ending, Failed, Outcome, TaskRecord
from hypern.tasks.wishes import Wish

logger = logging.getLogger("hypern.tasks")

# What is told how an attempt, or submitting, ended: by which exception or wish, or, where that happened in
# another process, by which error; by neither: well.
Ended = Callable[[BaseException | None, str | None], None]


class Companion:
    """Does nothing; a companion overrides what it wants to be told."""

    def submitting(self, records: Sequence[TaskRecord]) -> Ended | None:
        """These are about to be kept, in the submitter's thread and context; their `trail` may be set. What
        is returned is called there, too, when they have been kept, or have not."""
        return None

    def beginning(self, record: TaskRecord) -> Ended | None:
        """An attempt begins, in the context and the thread of its function, or, if it runs in a process of
        its own, in the thread that attends to that. What is returned is called there at the end."""
        return None

    def passing_on(self, trail: dict[str, str]) -> None:
        """Write into the trail what leads to the current context: the attempt goes on in another process."""

    def following(self, record: TaskRecord) -> None:
        """In that process, before the function is called in this context: go on from the record's trail."""

    def overdue(self, record: TaskRecord, attempt: int, error: str) -> None:
        """The time of an attempt is up, which is about to be recorded; its function may still run."""

    def settled(self, record: TaskRecord, attempt: int, ending: Ending) -> None:
        """It has been recorded how an attempt at a task ended, in whichever thread."""


class Companions:
    """Those of one engine. Asking for `members` first keeps what nobody hears free."""

    def __init__(self) -> None:
        self.members: tuple[Companion, ...] = ()

    def add(self, companion: Companion) -> None:
        """From now on it goes along with every task; once, however often it is added."""
        if companion not in self.members:
            self.members = (*self.members, companion)

    @contextlib.contextmanager
    def submitting(self, records: Sequence[TaskRecord]) -> Iterator[None]:
        """Around handing new tasks to the store."""
        told = [_told(companion.submitting, records) for companion in self.members]
        for record in records:
            if record.trail is not None:
                record.trail = checked_trail(record.trail)
        try:
            yield
        except BaseException as exception:
            _tell(told, exception)
            raise
        _tell(told, None)

    def trail(self) -> dict[str, str] | None:
        """What leads to the current context."""
        trail: dict[str, str] = {}
        for companion in self.members:
            _told(companion.passing_on, trail)
        return checked_trail(trail)

    def follow(self, record: TaskRecord) -> None:
        for companion in self.members:
            _told(companion.following, record)

    def overdue(self, record: TaskRecord, attempt: int, error: str) -> None:
        for companion in self.members:
            _told(companion.overdue, record, attempt, error)

    def settled(self, record: TaskRecord, attempt: int, ending: Ending) -> None:
        for companion in self.members:
            _told(companion.settled, record, attempt, ending)


NOBODY = Companions()


class Attendance:
    """The companions of one attempt, who have been told that it begins."""

    def __init__(self, companions: Companions, record: TaskRecord) -> None:
        self._told = [_told(companion.beginning, record) for companion in companions.members]

    def returned(self, value: Any) -> None:
        # What is returned to be run again, or to be cancelled, is as good as raised.
        _tell(self._told, value if isinstance(value, Wish) else None)

    def raised(self, exception: BaseException) -> None:
        _tell(self._told, exception)

    def ended(self, outcome: Outcome | None) -> None:
        """In another process, somehow; None: it was ended with the engine."""
        error = outcome.error if isinstance(outcome, Failed) else None
        _tell(self._told, None, error)


class Follower(Companion):
    """In the process of an isolated task: the companions, who are attended to elsewhere, follow."""

    def __init__(self, companions: Companions) -> None:
        self._companions = companions

    def beginning(self, record: TaskRecord) -> None:
        self._companions.follow(record)


def attended(companions: Companions, record: TaskRecord, context: Context, run: Callable[[], Any]) -> Any:
    """Call `run()` in the context, as an attempt that its companions attend."""

    def call() -> Any:
        attendance = Attendance(companions, record)
        try:
            outcome = run()
        except BaseException as exception:
            attendance.raised(exception)
            raise
        attendance.ended(getattr(outcome, "failed", outcome))
        return outcome

    return context.run(call)


def _tell(told: Sequence[Ended | None], exception: BaseException | None, error: str | None = None) -> None:
    for tell in reversed(told):
        if tell is not None:
            _told(tell, exception, error)


def _told(tell: Callable[..., Any], *about: Any) -> Any:
    try:
        return tell(*about)
    except Exception:
        logger.exception("a companion of tasks raised")
        return None
