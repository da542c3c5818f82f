"""What a store shows to people: its tasks by the page, its numbers, its pulse, the lines of its tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from hypern.errors import InvalidOption
from hypern.records import Progress, TaskRecord, TaskStatus
from hypern.stores.pulse import Beat, Tally

# Of the lines that a task wrote to the log the last so many are kept, and of each the first characters.
LINES_KEPT = 1000
LINE_LENGTH = 4096
# So many tasks one call looks at, at most, to find those that are meant.
LOOKED_AT = 20_000
_CALLS_TO_COUNT = 10


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tasks are meant; each field narrows it. `text`: a part of the id, the name or the error, upper
    or lower case; never a pattern. `since`, `until`: submitted from that wall-clock second on, and before.
    """

    statuses: tuple[TaskStatus, ...] | None = None
    queue: str | None = None
    name: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None

    def takes(
        self, status: TaskStatus, queue: str, name: str, submitted_at: float, task_id: str, error: str | None
    ) -> bool:
        """Whether a task with these is meant."""
        if self.statuses is not None and status not in self.statuses:
            return False
        if (self.queue is not None and queue != self.queue) or (self.name is not None and name != self.name):
            return False
        if self.since is not None and submitted_at < self.since:
            return False
        if self.until is not None and submitted_at >= self.until:
            return False
        if not self.text:
            return True
        text = self.text.casefold()
        return any(text in part.casefold() for part in (task_id, name, error or ""))


class Ids(msgspec.Struct, frozen=True):
    """Ids of tasks, the last submitted first. `after`: what to go on with, None: there are no more."""

    ids: list[str]
    after: str | None


class Page(msgspec.Struct, frozen=True):
    """Tasks, the last submitted first. `after`: what to go on with, None: there are no more. A page may be
    short, or empty, and yet not the last."""

    records: list[TaskRecord]
    after: str | None


class Number(msgspec.Struct, frozen=True):
    """How many there are. `is_all`: False: there may be more."""

    number: int
    is_all: bool


class QueueTotals(msgspec.Struct, frozen=True):
    """The tasks of one queue at one moment. `pruned`: those that have ended and are forgotten."""

    queue: str
    waiting: int = 0
    delayed: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    pruned: int = 0

    @property
    def submitted(self) -> int:
        """All there have ever been."""
        kept = self.waiting + self.delayed + self.running + self.completed + self.failed + self.cancelled
        return kept + self.pruned


class Vitals(msgspec.Struct, frozen=True):
    """What is watched from outside. `tallies`: by task all that has ended since it was first counted: numbers
    that only ever grow. `heads`: by queue with waiting tasks the wall-clock second since which the one has
    been waiting that is next, on threads or on the loop, whichever has waited longer."""

    tallies: dict[str, Tally]
    heads: dict[str, float]


class LogLine(msgspec.Struct, frozen=True):
    """A line that a task wrote to the log. `at`: wall-clock seconds; `level`: as the module logging numbers
    it; `logger`: its name."""

    at: float
    level: int
    logger: str
    text: str


class Mark(NamedTuple):
    """What changes of a task from the outside; two equal ones mean that nothing was to be seen between."""

    status: TaskStatus
    attempt: int
    cancel_requested: bool
    progress: Progress | None

    @classmethod
    def of(cls, record: TaskRecord) -> Mark:
        return cls(record.status, record.attempt, record.cancel_requested, record.progress)


class Overview(ABC):
    """The verbs of a store that change nothing and show much."""

    @abstractmethod
    def get(self, task_id: str) -> TaskRecord | None:
        """A copy of the record that changes no more, or None for an id that is not (or no longer) kept."""

    def marks(self, task_ids: Collection[str]) -> dict[str, Mark]:
        """The marks of those of these tasks that are kept. Asked for many times a second by one thread; the
        very same dict as the last time means that nothing has changed."""
        records = (self.get(task_id) for task_id in task_ids)
        return {record.id: Mark.of(record) for record in records if record is not None}

    @abstractmethod
    def ids(self, which: Filter, after: str | None = None, limit: int = 50) -> Ids:
        """Ids of the tasks that are meant, the last submitted first, at most `limit` of them. `after`: from
        an earlier answer. One call looks at no more than `LOOKED_AT` tasks, so there may be fewer, or none,
        and yet more to come. Raises InvalidOption for an `after` that is none."""

    def page(self, which: Filter, after: str | None = None, limit: int = 50) -> Page:
        """As `ids`, the tasks themselves."""
        found = self.ids(which, after, limit)
        records = [self.get(task_id) for task_id in found.ids]
        return Page([record for record in records if record is not None], found.after)

    def number(self, which: Filter, at_most: int) -> Number:
        """How many tasks are meant, counted up to `at_most`, and only among the last ones submitted where
        there are very many."""
        counted, after = 0, None
        for _ in range(_CALLS_TO_COUNT):
            found = self.ids(which, after, at_most - counted)
            counted, after = counted + len(found.ids), found.after
            if after is None or counted >= at_most:
                break
        return Number(counted, after is None)

    @abstractmethod
    def totals(self) -> list[QueueTotals]:
        """How many tasks of each queue are where, all at one moment, by name; exact."""

    @abstractmethod
    def pulse(self, since: float, name: str | None = None) -> list[Beat]:
        """What has ended from that wall-clock second on, by time and task (`name`: of this one only). It
        may begin earlier, as a beat is not taken apart. A store in memory begins to count when it is first
        asked."""

    @abstractmethod
    def vitals(self) -> Vitals:
        """What is watched from outside. A store in memory begins to count when it, or the
        pulse, is first asked for."""

    @abstractmethod
    def logs(self, task_id: str) -> list[LogLine]:
        """What the task wrote to the log, as far as that was kept."""


def bad_cursor(after: str) -> InvalidOption:
    return InvalidOption(f"after={after[:100]!r} is not from an earlier page; leave it out to begin anew.")


def read_cursor(after: str) -> int:
    """A cursor that is a number. Raises InvalidOption."""
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise bad_cursor(after)
    return int(after)
