"""What a task is while it is on its way: its states, its record, its rules, its outcome.

  add          claim            finish
───────▶ PENDING ─────▶ RUNNING ────────▶ COMPLETED
            │  ▲           ├────────────▶ FAILED
            │  └───────────┤ retry
            └──────────────┴────────────▶ CANCELLED
"""

from __future__ import annotations

import contextvars
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec


class TaskStatus(enum.StrEnum):
    """The state of a task. Each member is a `str`: `TaskStatus.COMPLETED == "completed"`.

    `.name` and `.value` are both the lower-case word, so that a JSON answer carries `"completed"`;
    `TaskStatus["COMPLETED"]` finds a member by its Python name.
    """

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def name(self) -> str:
        return self.value


# What of a submitter's surroundings goes along with a task, and how long each of it may be: the names under
# which W3C Trace Context passes a trace on, and the id of the request.
TRAIL = ("traceparent", "tracestate", "request_id")
LONGEST_IN_TRAIL = 512

TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})

# From each state, the states that may follow. Every store holds to this table.
TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELLED}),
    TaskStatus.RUNNING: TERMINAL | {TaskStatus.PENDING},
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}


class Lane(enum.StrEnum):
    """What runs a task: a worker thread (plain functions) or the task loop (coroutine functions)."""

    THREAD = "thread"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running task says it is. `fraction`: 0.0–1.0; `message`: its own words or None."""

    fraction: float
    message: str | None = None


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long to wait before another attempt, in seconds: `first`, then `factor` times as long after each
    further failure, at most `longest`. `jitter`: anything between 0 and that, so that tasks that failed
    together do not come back together (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture
    Blog, 2015)."""

    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    jitter: bool = True


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the calls of a task are to be run, as far as it can be written down.

    `retries`: further attempts after one that raised; None: none, but a returned `Retry` is followed.
    `retry_on`: names (`module:class`) of the exceptions after which to try again, None: all.
    `timeout`, `expires`, `unique_for`, `result_ttl`: seconds; `rate`: starts a second.
    """

    priority: int = 0
    queue: str = "default"
    retries: int | None = None
    backoff: Backoff = Backoff()
    retry_on: tuple[str, ...] | None = None
    timeout: float | None = None
    isolate: bool = False
    expires: float | None = None
    unique_for: float | None = None
    rate: float | None = None
    on_crash: Literal["retry", "fail"] = "retry"
    result_ttl: float | None = None


class TaskSpec(msgspec.Struct, frozen=True, eq=False):
    """What is the same for every call of a task. `func`: what the user handed over (a decorated task, or
    a function); `target`: the function to run."""

    name: str
    func: Callable[..., Any]
    target: Callable[..., Any]
    lane: Lane
    rules: Rules
    # Of the rules, what each step of each task looks at.
    priority: int
    queue: str

    @classmethod
    def of(
        cls,
        name: str,
        func: Callable[..., Any],
        target: Callable[..., Any],
        lane: Lane,
        rules: Rules = Rules(),  # noqa: B008 - immutable
    ) -> TaskSpec:
        return cls(name, func, target, lane, rules, rules.priority, rules.queue)


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that did not end the task, or ended it with an error. Times: wall-clock seconds."""

    number: int
    started_at: float
    finished_at: float
    error: str
    traceback: str | None = None


class TaskRecord(msgspec.Struct, eq=False):
    """One task as its store keeps it. Only the store that holds it changes `status` and what follows.

    `due`, `expires_at`: the steady-clock seconds from which it may start and from which it may not any
    more; None: at once, and for ever. `ready_at`: the wall-clock second since which it has been waiting for
    a worker. Times without a zone are wall-clock seconds, 0.0 while they have not happened.
    `attempt`: how often it was started; `fence`: how often it was claimed, which is what an ending is
    checked against; `lost`: how many of its workers died. `reason`: why it was cancelled. `origin`: the id of
    the ended task that this one repeats. `trail`: what leads back to who submitted it, some of `TRAIL`.
    """

    id: str
    spec: TaskSpec
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    submitted_at: float
    due: float | None
    context: contextvars.Context | None
    ready_at: float
    expires_at: float | None = None
    unique_key: str | None = None
    status: TaskStatus = TaskStatus.PENDING
    attempt: int = 0
    fence: int = 0
    lost: int = 0
    started_at: float = 0.0
    finished_at: float = 0.0
    result: Any = None
    result_omitted: str | None = None
    error: str | None = None
    traceback: str | None = None
    reason: str | None = None
    progress: Progress | None = None
    cancel_requested: bool = False
    history: tuple[Attempt, ...] = ()
    origin: str | None = None
    trail: dict[str, str] | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def lane(self) -> Lane:
        return self.spec.lane

    @property
    def rules(self) -> Rules:
        return self.spec.rules


class Completed(msgspec.Struct, frozen=True):
    """The function returned. `omitted` says why its value could not be kept, `None` if it was."""

    value: Any
    omitted: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The function raised. `error`: `"ValueError: bad row"`; `traceback`: text, both bounded. `kinds`: the
    names (`module:class`) of the exception's class and its bases."""

    error: str
    traceback: str
    kinds: tuple[str, ...] = ()


class Cancelled(msgspec.Struct, frozen=True):
    """The function gave way to a request to cancel it, or said itself that there is nothing to do."""

    reason: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """The function asked to be run again: in `delay` seconds (None: as the backoff says). `counts`: whether
    this attempt is spent (`Retry`) or not (`Snooze`)."""

    delay: float | None
    counts: bool
    reason: str


class Again(msgspec.Struct, frozen=True):
    """It is to be run again, from the steady-clock second `due` on. `counts`: the attempt is spent."""

    error: str
    traceback: str | None
    due: float
    counts: bool = True


# How calling the function ended, and, after `finish` has decided, what the store shall write.
Outcome = Completed | Failed | Cancelled | Wanted
Ending = Completed | Failed | Cancelled | Again
