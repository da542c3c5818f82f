"""What the world of the small model consists of: rows, processes and what they hold, clocks, faults left."""

from __future__ import annotations

from typing import NamedTuple

from hypern.stores.durable.states import CANCELLED, COMPLETED, FAILED, READY, RUNNING, SCHEDULED

# Beside the states of a row: not submitted, answered and not yet committed, forgotten.
ABSENT, ANSWERED, GONE = -1, -2, 9
ENDED = (COMPLETED, FAILED, CANCELLED)
ALIVE, FROZEN, DEAD = "alive", "frozen", "dead"
# What a process does with a claimed task: it waits here, it runs, it runs though its attempt has been ended.
# The others only exist where a mutant has a step too many.
RESERVED, RUNS, LATE = "reserved", "runs", "late"
SEEN, HELD, POSTED = "seen", "held", "posted"
# From each state of a row, those that may follow.
FOLLOW = {
    ABSENT: {READY, SCHEDULED, ANSWERED},
    ANSWERED: {READY, SCHEDULED},
    READY: {RUNNING, CANCELLED},
    SCHEDULED: {READY, RUNNING, CANCELLED},
    RUNNING: {READY, SCHEDULED, *ENDED},
    COMPLETED: {GONE},
    FAILED: {GONE},
    CANCELLED: {GONE},
    GONE: set(),
}


class Row(NamedTuple):
    """A row of hypern_tasks. `owner`: a process's name, 0: none. `starts`: what no table has: how often the
    function was called and not given back."""

    state: int
    attempt: int = 0
    fence: int = 0
    lost: int = 0
    owner: int = 0
    asked: bool = False
    due: int = 0
    starts: int = 0


class Ticket(NamedTuple):
    """A task in the hand of a process, with what its claim answered."""

    task: int
    fence: int
    owner: int
    phase: str


class Process(NamedTuple):
    """`name`: the incarnation; `hand`: its tickets; `found`: whom it has found dead (0: nobody), and the
    rows that it saw then."""

    mode: str
    name: int
    hand: tuple[Ticket, ...] = ()
    found: int = 0
    saw: tuple[int, ...] = ()
    claims: int = 0


class World(NamedTuple):
    """`notes`: of names without a living process, the tasks that they had started, while their files are
    there. `disk`: the rows as a power cut leaves them, None where none can come."""

    rows: tuple[Row, ...]
    processes: tuple[Process, ...]
    steady: int
    wall: int
    names: int
    notes: tuple[tuple[int, tuple[int, ...]], ...]
    crashes: int
    stops: int
    freezes: int
    hangs: int
    jumps: int
    cuts: int
    disk: tuple[Row, ...] | None


class Scope(NamedTuple):
    """How much may happen. `delays`: of each task, when it is due; `attempts`: how often each may be tried;
    `crashes` … `cuts`: how many processes die, stop in good order, are frozen; how many functions hang beyond
    their timeout; how often the wall clock is set, and the power fails. `cap`: the most deaths for a task."""

    delays: tuple[int, ...] = (0, 1)
    attempts: tuple[int, ...] = (2, 1)
    processes: int = 2
    crashes: int = 1
    stops: int = 0
    freezes: int = 0
    hangs: int = 0
    jumps: int = 0
    cuts: int = 0
    cap: int = 2

    def begin(self) -> World:
        rows = tuple(Row(ABSENT, due=due) for due in self.delays)
        return World(
            rows,
            tuple(Process(ALIVE, number + 1) for number in range(self.processes)),
            steady=0,
            wall=0,
            names=self.processes,
            notes=(),
            crashes=self.crashes,
            stops=self.stops,
            freezes=self.freezes,
            hangs=self.hangs,
            jumps=self.jumps,
            cuts=self.cuts,
            disk=rows if self.cuts else None,
        )
