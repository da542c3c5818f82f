"""The recurring tasks of this process, and the loop of an engine that submits them at their ticks."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from hypern.loops import Loop
from hypern.tasks.schedules import Schedule

if TYPE_CHECKING:
    from hypern.tasks.engine import Engine

logger = logging.getLogger("hypern.tasks")

# A tick that is noticed so many seconds late was not missed: the process was only slow.
LATE = 60.0
# For so long the tasks of ticks are kept where missed ones are made up for.
_KEPT = 7 * 86_400.0
# A clock that is put back by more than this had been wrong before.
_PUT_BACK = 86_400.0
_AGAIN = 1.0
_END_SECONDS = 1.0
_CLOSE_LOOKS = 50
_NAME_LENGTH = 100
_UNFIT = re.compile(r"[^A-Za-z0-9_.:-]")


class Recurring(msgspec.Struct, frozen=True, eq=False):
    """One task and its schedule. `engine`: the one whose loop submits it. `submit(engine, id, kept)`: submit
    it under this id, to be kept at least `kept` seconds after its end."""

    name: str
    schedule: Schedule
    catch_up: bool
    engine: Callable[[], Engine]
    submit: Callable[[Engine, str, float], str]
    source: object

    def tick_id(self, tick: float) -> str:
        """The id of the task of a tick: the same in every process, and with a character that ids chosen by
        callers cannot have."""
        name = _UNFIT.sub("-", self.name)
        if name != self.name or len(name) > _NAME_LENGTH:
            digest = hashlib.sha256(self.name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            name = f"{name[:_NAME_LENGTH]}-{digest}"
        return f"{name}@{datetime.fromtimestamp(tick, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def kept(self, tick: float) -> float:
        """How long the task of this tick has to be known after its end: until no process can be late with
        it, and, where missed ticks are made up for, until those that follow tell that it was not missed."""
        following = self.schedule.after(tick)
        if not self.catch_up or following is None:
            return 2 * LATE
        return max(_KEPT, 2 * (following - tick))


_lock = threading.Lock()
_registry: list[Recurring] = []


def register(recurring: Recurring) -> None:
    """From now on have it submitted at its ticks. One that was made by an earlier run of the same code, as
    when a module is loaded again, is replaced."""
    with _lock:
        _registry[:] = [
            other
            for other in _registry
            if other.name != recurring.name
            or (other.source is recurring.source and other.schedule.words != recurring.schedule.words)
        ]
        _registry.append(recurring)


def registered() -> list[Recurring]:
    """All of them, in the order in which they were declared."""
    with _lock:
        return list(_registry)


class TickLoop(Loop):
    """The loop of an engine that has recurring tasks."""


def begin(engine: Engine, loops: list[Loop]) -> None:
    """Start the loop that submits the recurring tasks of this engine and add it to `loops`, unless it is
    among them or there are none."""
    if any(isinstance(loop, TickLoop) for loop in loops) or not _of(engine):
        return
    loop = TickLoop("hypern-recurring", engine.clock, Ticker(engine).turn)
    loop.start()
    loops.append(loop)


def end(loops: list[Loop]) -> None:
    """Submit no more ticks. To be called while the engine still runs: a task that comes later starts it."""
    for loop in loops:
        if isinstance(loop, TickLoop):
            loop.stop(time.monotonic() + _END_SECONDS)


def _of(engine: Engine) -> list[Recurring]:
    return [recurring for recurring in registered() if recurring.engine() is engine]


class _State(msgspec.Struct):
    """`next`: the tick to come; `last`: the last that is done with; `complained`: of which one we have said
    that it could not be submitted."""

    next: float | None
    last: float | None = None
    has_looked_back: bool = False
    complained: float | None = None


class Ticker:
    """What an engine knows of the ticks of its recurring tasks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._now = self._since = engine.clock.wall()
        self._states: dict[Recurring, _State] = {}

    def turn(self) -> float | None:
        """Submit what is due. The steady-clock second of the next tick; None: there is none."""
        now = self._engine.clock.wall()
        was_put_back = now < self._now
        coming = []
        for recurring in _of(self._engine):
            state = self._states.get(recurring)
            if state is None:
                state = self._states[recurring] = _State(recurring.schedule.after(self._now))
            elif was_put_back:
                _go_back(recurring, state, now)
            moment = self._look(recurring, state, now)
            if moment is not None:
                coming.append(moment)
        self._now = now
        return self._engine.clock.steady() + max(0.0, min(coming) - now) if coming else None

    def _look(self, recurring: Recurring, state: _State, now: float) -> float | None:
        """Submit it if it is due. When to look at it again, on the wall clock."""
        try:
            if not state.has_looked_back:
                self._look_back(recurring)
                state.has_looked_back = True
            if state.next is not None and state.next <= now:
                tick = recurring.schedule.latest(now) or state.next
                self._due(recurring, tick, now)
                state.last, state.next = tick, recurring.schedule.after(tick)
        except Exception as error:
            if state.complained != state.next:
                state.complained = state.next
                logger.warning("recurring task %s could not be submitted: %s", recurring.name, error)
            return now + _AGAIN
        return state.next

    def _due(self, recurring: Recurring, tick: float, now: float) -> None:
        if now - tick <= LATE or recurring.catch_up:
            self._submit(recurring, tick)
        else:
            logger.info("recurring task %s: missed and skipped: %s", recurring.name, recurring.tick_id(tick))

    def _submit(self, recurring: Recurring, tick: float) -> None:
        recurring.submit(self._engine, recurring.tick_id(tick), recurring.kept(tick))

    def _look_back(self, recurring: Recurring) -> None:
        """Make up for the last tick before the engine was started, if it is certain that it was missed."""
        store = self._engine.store
        tick = recurring.schedule.latest(self._since)
        if not recurring.catch_up or not store.shared or tick is None:
            return
        if store.get(recurring.tick_id(tick)) is not None:
            return
        if self._has_recurred_before(recurring, tick):
            self._submit(recurring, tick)
        else:
            logger.info(
                "recurring task %s: whether a tick was missed before this start cannot be told, as the store "
                "knows no earlier one", recurring.name,
            )  # fmt: skip

    def _has_recurred_before(self, recurring: Recurring, tick: float) -> bool:
        """Whether the store knows an earlier tick. All before the process went down are known, back to some
        point, so after the first few it is enough to look in steps that grow."""
        step, looks = 1.0, 0
        while (earlier := recurring.schedule.latest(tick - step)) is not None:
            if self._engine.store.get(recurring.tick_id(earlier)) is not None:
                return True
            distance = tick - earlier
            if distance > recurring.kept(earlier):
                return False
            looks += 1
            step = distance + 1.0 if looks < _CLOSE_LOOKS else 2 * distance
        return False


def _go_back(recurring: Recurring, state: _State, now: float) -> None:
    """The clock was put back: what has ticked does not tick again."""
    since = now
    if state.last is not None and state.last - now < _PUT_BACK:
        since = max(now, state.last)
    state.next = recurring.schedule.after(since)
