"""Listing: the tasks that a store holds, by the page, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

from hypern.errors import InvalidOption
from hypern.results import TaskResult
from hypern.tasks.engine import Engine
from hypern.tasks.filters import TaskFilter, to_filter
from hypern.tasks.runtime import current_engine

_MOST = 1000


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, the last submitted first. `after`: what to ask on with, None: there are no more."""

    tasks: list[TaskResult]
    after: str | None


@dataclass(frozen=True, slots=True)
class TaskCount:
    """How many tasks are meant. `is_all`: False: there may be more, and they were not counted."""

    number: int
    is_all: bool


def list_tasks(*, limit: int = 50, after: str | None = None, **which: Unpack[TaskFilter]) -> TaskPage:
    """Some of the tasks that are meant, the last submitted first, at most `limit` (1 to 1000). `after`: from
    an earlier page, to go on there; tasks that are added meanwhile do not shift it. One call looks at a
    bounded number of tasks, so a page may be short, or empty, and yet not the last.

    Raises InvalidOption.
    """
    return list_in(current_engine(), limit, after, which)


def count_tasks(*, at_most: int = 100_000, **which: Unpack[TaskFilter]) -> TaskCount:
    """How many tasks are meant, counted up to `at_most`. Raises InvalidOption."""
    return count_in(current_engine(), at_most, which)


def list_in(engine: Engine, limit: int, after: str | None, which: TaskFilter) -> TaskPage:
    """`list_tasks` for the tasks of one engine."""
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MOST:
        raise InvalidOption(f"limit must be a whole number from 1 to {_MOST}, not {limit!r:.100}.")
    if after is not None and not isinstance(after, str):
        raise InvalidOption(f"after must come from an earlier page, or be None, not {after!r:.100}.")
    page = engine.store.page(to_filter(which), after, limit)
    return TaskPage([TaskResult.of(record) for record in page.records], page.after)


def count_in(engine: Engine, at_most: int, which: TaskFilter) -> TaskCount:
    """`count_tasks` for the tasks of one engine."""
    if not isinstance(at_most, int) or isinstance(at_most, bool) or at_most < 1:
        raise InvalidOption(f"at_most must be a whole number, 1 or more, not {at_most!r:.100}.")
    found = engine.store.number(to_filter(which), at_most)
    return TaskCount(found.number, found.is_all)
