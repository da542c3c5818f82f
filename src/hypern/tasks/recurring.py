"""Tasks that recur: `@every(seconds=30)` and `@cron("0 3 * * *")`.

They are submitted, as if somebody called them, in each process whose engine runs tasks: from the start of an
app, or in a script from its first task on, for as long as it lives. Each tick is one task however many
processes share the store, for its id is made of the name and the tick, and a store takes an id once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import msgspec

from hypern.errors import InvalidOption
from hypern.tasks import ticking
from hypern.tasks.declare import Task, declare
from hypern.tasks.options import Options
from hypern.tasks.runtime import current_engine
from hypern.tasks.schedules import Cron, Every, Schedule
from hypern.tasks.submit import submit

if TYPE_CHECKING:
    from hypern.tasks.engine import Engine

P = ParamSpec("P")
R = TypeVar("R")

# Of all ticks of a task with overlap=False, one at a time.
_ONE_AT_A_TIME = "recurring"


class Recur:
    """What `every(...)` and `cron(...)` return: makes a function, or a task, recur. `engine`: None for the
    one that the task belongs to. Raises InvalidOption."""

    def __init__(
        self, engine: Callable[[], Engine] | None, schedule: Schedule, catch_up: bool, overlap: bool
    ) -> None:
        for name, value in {"catch_up": catch_up, "overlap": overlap}.items():
            if not isinstance(value, bool):
                raise InvalidOption(f"{name} must be True or False, not {value!r}.")
        self._engine, self._schedule = engine, schedule
        self._catch_up, self._overlap = catch_up, overlap

    @overload
    def __call__(self, func: Task[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, func: Callable[P, R], /) -> Task[P, R]: ...
    def __call__(self, func: Callable[..., Any], /) -> Any:
        """Raises InvalidTask for what cannot be a task, or cannot be called without arguments."""
        engine = self._engine
        task = func if isinstance(func, Task) else declare(func, Options(), None, engine or current_engine)
        task.check_signature((), {})
        submit_tick = _submitter(task, self._overlap)
        ticking.register(
            ticking.Recurring(
                task.name, self._schedule, self._catch_up, engine or task.engine, submit_tick, task.func
            )
        )
        return task


def every(*, seconds: float, catch_up: bool = False, overlap: bool = True) -> Recur:
    """Run a function each time that so many whole seconds have passed, counted from the epoch (UTC): with
    `seconds=3600` at each full hour. Above `@background(...)` the options given there hold for each run.

    The function takes no arguments. A tick counts as missed when it is noticed more than a minute late: the
    machine was suspended, the clock put forward, the process down. Missed ticks are skipped; with
    `catch_up=True` the last of them is run. Across a restart that takes a durable store (`memory://` knows
    nothing of earlier runs), and one that still knows an earlier tick: their tasks are kept for a week.
    When the clock is put back, what has ticked does not tick again (by up to a day; further, and the clock
    is taken to have been wrong). `overlap=False`: a tick is skipped while the task of an earlier one waits
    or runs. Tasks of ticks are kept for two minutes at least, whatever `result_ttl` says.

    Raises InvalidOption, InvalidTask.
    """
    return Recur(None, Every(seconds), catch_up, overlap)


def cron(expression: str, *, tz: str = "UTC", catch_up: bool = False, overlap: bool = True) -> Recur:
    """Run a function when the clocks of the time zone `tz` show what a cron expression says: minute, hour,
    day of month, month, day of week, or six fields that begin with the second; `@daily` and its like.

    In spring, a time that is left out runs at the first moment after the gap; in autumn, one that comes
    twice runs the first time only; where minute or hour begin with `*`, the time that passes counts. The
    rest is as with `every`. Raises InvalidOption, which names the field, and InvalidTask.
    """
    return Recur(None, Cron(expression, tz), catch_up, overlap)


def _submitter(task: Task[..., Any], overlap: bool) -> Callable[[Engine, str, float], str]:
    def submit_tick(engine: Engine, task_id: str, kept: float) -> str:
        options = msgspec.structs.replace(task.options, task_id=task_id)
        ttl = options.rules.result_ttl
        if ttl is None:
            ttl = engine.settings.task_result_ttl
        if ttl is not None and ttl < kept:
            options = msgspec.structs.replace(
                options, rules=msgspec.structs.replace(options.rules, result_ttl=kept)
            )
        if not overlap and not options.unique:
            options = msgspec.structs.replace(options, unique=_ONE_AT_A_TIME)
        return submit(engine, task.with_checked(options), (), {})

    return submit_tick


@dataclass(frozen=True, slots=True)
class RecurringTask:
    """A recurring task of this process. `schedule`: in words; `next_tick`: an aware datetime in UTC, None if
    there is none in the next fifty years."""

    name: str
    schedule: str
    next_tick: datetime | None
    catch_up: bool


def recurring_tasks(wall: float | None = None) -> list[RecurringTask]:
    """Those declared in this process, in that order. `wall`: the second after which the next tick is sought,
    now unless given."""
    found = []
    for recurring in ticking.registered():
        now = recurring.engine().clock.wall() if wall is None else wall
        tick = recurring.schedule.after(now)
        moment = None if tick is None else datetime.fromtimestamp(tick, UTC)
        found.append(RecurringTask(recurring.name, recurring.schedule.words, moment, recurring.catch_up))
    return found
