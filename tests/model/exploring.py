"""Every state that the small model can reach, and what is wrong with one of them."""

from __future__ import annotations

from collections import deque

from tests.model.protocol import Protocol, Step
from tests.model.world import (
    ABSENT,
    COMPLETED,
    DEAD,
    ENDED,
    FOLLOW,
    GONE,
    RESERVED,
    RUNNING,
    RUNS,
    Row,
    Scope,
    World,
)


class Found(Exception):
    """A promise is broken. `promise`: its number and what it says; `trace`: the steps that lead there."""

    def __init__(self, promise: str) -> None:
        super().__init__(promise)
        self.promise = promise
        self.trace: list[str] = []

    def __str__(self) -> str:
        return f"{self.promise}, after: {'; '.join(self.trace)}"


def explore(scope: Scope, mutant: str = "") -> int:
    """Visit every state. How many there are. Raises Found with a shortest trace for safety."""
    protocol = Protocol(scope, mutant)
    first = scope.begin()
    numbers: dict[World, int] = {first: 0}
    worlds = [first]
    came: list[tuple[int, Step | None]] = [(0, None)]
    helping: list[list[int]] = []
    line = deque([0])
    while line:
        number = line.popleft()
        world = worlds[number]
        helped: list[int] = []
        for step in protocol.steps(world):
            try:
                _check_step(world, step)
                if step.after not in numbers:
                    _check_world(step.after, scope)
            except Found as found:
                found.trace = [*_trace(came, number), _say(step)]
                raise
            seen = numbers.get(step.after)
            if seen is None:
                seen = numbers[step.after] = len(worlds)
                worlds.append(step.after)
                came.append((number, step))
                line.append(seen)
            if step.helps:
                helped.append(seen)
        helping.append(helped)
    _check_that_all_end(worlds, helping, came)
    return len(worlds)


def _say(step: Step) -> str:
    who = "" if step.who < 0 else f" by {step.who}"
    return f"{step.name} {step.task}{who}"


def _trace(came: list[tuple[int, Step | None]], number: int) -> list[str]:
    steps = []
    while number:
        number, step = came[number]
        assert step is not None
        steps.append(_say(step))
    return steps[::-1]


def _check_step(before: World, step: Step) -> None:
    is_cut = step.name == "power cut"
    for old, new in zip(before.rows, step.after.rows, strict=True):
        if old.state != ABSENT and new.state == ABSENT:
            raise Found("I1: an accepted task is lost")
        if is_cut:
            if old.state in ENDED and new.state not in (old.state, GONE):
                raise Found("I2: a recorded outcome is lost")
            continue
        if new.state == GONE and old.state not in (*ENDED, GONE):
            raise Found("I1: a task that has not ended is forgotten")
        if old.state in ENDED and new.state not in (old.state, GONE):
            raise Found("I2: an outcome is changed")
        if new.state != old.state and new.state not in FOLLOW[old.state]:
            raise Found(f"a row goes from {old.state} to {new.state}")
        if new.fence < old.fence:
            raise Found("I8: the fence goes back")
        if step.name == "RESCUE" and new != old and old.owner != before.processes[step.who].found:
            raise Found("I12: a rescue changes a row that is not the dead process's")
    row, after = before.rows[step.task], step.after.rows[step.task]
    if step.name == "CLAIM" and after.fence <= row.fence:
        raise Found("I8: a fence is given twice")
    if step.stale and _kept(after) != _kept(row):
        raise Found("I12: a claim that stands no more changes a row")
    if step.name == "start":
        if before.steady < row.due:
            raise Found("I6: a task starts before it is due")
        if step.stale:
            raise Found("I7: a task is started that is not to be run")


def _kept(row: Row) -> Row:
    return row._replace(starts=0)


def _check_world(world: World, scope: Scope) -> None:
    living = [process for process in world.processes if process.mode != DEAD]
    running = [ticket.task for process in living for ticket in process.hand if ticket.phase == RUNS]
    if len(set(running)) < len(running):
        raise Found("I3: a task runs twice at the same time")
    for task, row in enumerate(world.rows):
        if (row.state == RUNNING) is not bool(row.owner):
            raise Found("a row runs without an owner, or the other way round")
        if row.state == COMPLETED and not row.starts:
            raise Found("I5: a task is completed that was never started")
        # A power cut may take the count of one start with it.
        if row.starts > scope.attempts[task] + scope.cap - 1 + scope.cuts:
            raise Found("I5: a task is started too often")
        if row.attempt < 0:
            raise Found("I8: an attempt is counted that never was")
        for process in living:
            if process.name == row.owner and not any(
                (ticket.task, ticket.fence) == (task, row.fence) and ticket.phase in (RESERVED, RUNS, "held")
                for ticket in process.hand
            ):
                raise Found("I9: a living process owns a task that it knows nothing of")


def _check_that_all_end(
    worlds: list[World], helping: list[list[int]], came: list[tuple[int, Step | None]]
) -> None:
    """From every state a fair run ends: the steps that help go round in no circle, so each run of them comes
    to a state in which none is left to do; and there every task has ended."""
    for number, (world, helped) in enumerate(zip(worlds, helping, strict=True)):
        if not helped and any(row.state not in (ABSENT, GONE, *ENDED) for row in world.rows):
            found = Found("I9: a task is left that nobody will end")
            found.trace = _trace(came, number)
            raise found
    before = [0] * len(worlds)
    for helped in helping:
        for number in helped:
            before[number] += 1
    free = [number for number, count in enumerate(before) if not count]
    ordered = 0
    while free:
        ordered += 1
        for number in helping[free.pop()]:
            before[number] -= 1
            if not before[number]:
                free.append(number)
    if ordered < len(worlds):
        found = Found("I9: a run can go round for ever")
        found.trace = _trace(came, next(number for number, count in enumerate(before) if count))
        raise found
