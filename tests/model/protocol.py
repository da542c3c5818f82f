"""The protocol of a durable store, step by step; each is named as its statement in sqlite/statements.py.

A step that the code does in one transaction is one step here; between two steps anything else may come. What
is not in the tables (a process's hand, its lock, its note of what it has started) is in `World`, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.world import (
    ABSENT,
    ALIVE,
    ANSWERED,
    CANCELLED,
    COMPLETED,
    DEAD,
    ENDED,
    FAILED,
    FROZEN,
    GONE,
    HELD,
    LATE,
    POSTED,
    READY,
    RESERVED,
    RUNNING,
    RUNS,
    SCHEDULED,
    SEEN,
    Process,
    Row,
    Scope,
    Ticket,
    World,
)


class Step(NamedTuple):
    """`helps`: it brings the tasks on, so that a fair run does it in the end; else it is a fault, a wish of
    somebody, or housekeeping. `stale`: a ticket was used whose claim stood no more."""

    name: str
    who: int
    task: int
    helps: bool
    after: World
    stale: bool = False


class Protocol:
    """`mutant`: what is done wrong, "": nothing."""

    def __init__(self, scope: Scope, mutant: str = "") -> None:
        self.scope = scope
        self.mutant = mutant

    def steps(self, world: World) -> Iterator[Step]:
        for number, process in enumerate(world.processes):
            if process.mode == ALIVE:
                yield from self._submit(world, number, process)
                yield from self._claim(world, number, process)
                yield from self._run(world, number, process)
                yield from self._rescue(world, number, process)
            yield from self._faults(world, number, process)
        yield from self._cancel(world)
        yield from self._time(world)
        if world.cuts:
            yield self._power_cut(world)

    # -- submit ------------------------------------------------------------------------------------

    def _submit(self, world: World, who: int, process: Process) -> Iterator[Step]:
        for task, row in enumerate(world.rows):
            if row.state != ABSENT:
                continue
            if self.mutant == "answer before the commit":
                posted = put(world, task, row._replace(state=ANSWERED))
                yield Step("ADD", who, task, False, take(posted, who, Ticket(task, 0, 0, POSTED)))
            else:
                yield Step("ADD", who, task, False, self._durably(self._added(world, task)))

    def _added(self, world: World, task: int) -> World:
        row = world.rows[task]
        return put(world, task, row._replace(state=SCHEDULED if row.due else READY))

    # -- claim, run, finish ------------------------------------------------------------------------

    def _claim(self, world: World, who: int, process: Process) -> Iterator[Step]:
        for task, row in enumerate(world.rows):
            if row.state == READY and self.mutant == "claim in two steps":
                if not any(ticket.task == task for ticket in process.hand):
                    yield Step("SEE", who, task, True, take(world, who, Ticket(task, 0, 0, SEEN)))
            elif row.state == READY:
                yield self._claimed(world, who, task, RESERVED)
            elif row.state == SCHEDULED and self.mutant == "hold a delayed task":
                yield self._claimed(world, who, task, HELD)

    def _claimed(self, world: World, who: int, task: int, phase: str) -> Step:
        """CLAIM: only a row that is READY."""
        process, row = world.processes[who], world.rows[task]
        fence = process.claims + 1 if self.mutant == "count fences in memory" else row.fence + 1
        after = row._replace(state=RUNNING, attempt=row.attempt + 1, fence=fence, owner=process.name)
        if self.mutant == "count fences in memory":
            world = change(world, who, process._replace(claims=fence))
        world = take(put(world, task, after), who, Ticket(task, fence, process.name, phase))
        return Step("CLAIM", who, task, True, world)

    def _run(self, world: World, who: int, process: Process) -> Iterator[Step]:
        for ticket in process.hand:
            row = world.rows[ticket.task]
            without = drop(world, who, ticket)
            match ticket.phase:
                case "posted":
                    yield Step(
                        "ADD", who, ticket.task, True, self._durably(self._added(without, ticket.task))
                    )
                case "seen":
                    yield self._claimed(without, who, ticket.task, RESERVED)
                case "held" if world.steady < row.due:
                    continue
                case "reserved" if self.mutant == "acknowledge before the run":
                    yield self._ended(
                        take(without, who, ticket._replace(phase=HELD)), who, ticket, "COMPLETE"
                    )
                case "reserved" | "held":
                    yield self._started(without, who, ticket)
                    if row.asked:
                        yield self._ended(without, who, ticket, "GIVE_WAY")
                case "runs":
                    yield from self._endings(without, who, ticket)
                    if world.hangs:
                        # Its timeout is over: the attempt is ended for it, and the function goes on.
                        hung = take(without, who, ticket._replace(phase=LATE))
                        hung = hung._replace(hangs=world.hangs - 1)
                        yield from self._endings(hung, who, ticket, raised_only=True)
                case "late":
                    yield from self._endings(without, who, ticket)

    def _started(self, world: World, who: int, ticket: Ticket) -> Step:
        row = world.rows[ticket.task]
        after = put(world, ticket.task, row._replace(starts=row.starts + 1))
        after = take(after, who, ticket._replace(phase=RUNS))
        return Step("start", who, ticket.task, True, after, stale=not stands(row, ticket))

    def _endings(
        self, world: World, who: int, ticket: Ticket, *, raised_only: bool = False
    ) -> Iterator[Step]:
        row = world.rows[ticket.task]
        if not raised_only:
            yield self._ended(world, who, ticket, "COMPLETE")
        if row.asked:
            yield self._ended(world, who, ticket, "GIVE_WAY")
        may_try_again = row.attempt - row.lost < self.scope.attempts[ticket.task] and not row.asked
        yield self._ended(world, who, ticket, "TRY_AGAIN" if may_try_again else "FAIL")

    def _ended(self, world: World, who: int, ticket: Ticket, name: str) -> Step:
        """COMPLETE, FAIL, GIVE_WAY, TRY_AGAIN: only the very claim that the ticket is for."""
        row = world.rows[ticket.task]
        accepted = stands(row, ticket)
        if self.mutant == "finish without the fence":
            accepted = row.state == RUNNING and row.owner == ticket.owner
        elif self.mutant == "finish without fence and owner":
            accepted = row.state == RUNNING
        if accepted:
            state = {"COMPLETE": COMPLETED, "FAIL": FAILED, "GIVE_WAY": CANCELLED, "TRY_AGAIN": SCHEDULED}
            after = row._replace(state=state[name], owner=0)
            world = self._durably(put(world, ticket.task, after))
        return Step(name, who, ticket.task, True, world, stale=not stands(row, ticket))

    # -- rescue ------------------------------------------------------------------------------------

    def _rescue(self, world: World, who: int, process: Process) -> Iterator[Step]:
        if process.found:
            yield Step("RESCUE", who, 0, True, self._durably(self._rescued(world, who, process)))
            return
        for name in sorted({row.owner for row in world.rows if row.state == RUNNING} - {process.name}):
            if not self._is_dead(world, name):
                continue
            saw = tuple(task for task, row in enumerate(world.rows) if row.owner == name)
            found = change(world, who, process._replace(found=name, saw=saw))
            if self.mutant == "remove the dead process's files first":
                if name not in dict(world.notes):
                    continue
                found = found._replace(notes=tuple(note for note in found.notes if note[0] != name))
            yield Step("OWNERS", who, 0, True, found)

    def _is_dead(self, world: World, name: int) -> bool:
        """Whether the lock of a process can be had: neither it nor one that found it dead has it."""
        for process in world.processes:
            if process.name == name and (
                process.mode == ALIVE
                or (process.mode == FROZEN and self.mutant != "take a frozen process for dead")
            ):
                return False
            if process.mode != DEAD and process.found == name and self.mutant != "rescue on a stale read":
                return False
        return True

    def _rescued(self, world: World, who: int, process: Process) -> World:
        """OWNED, and for each of them RESCUE, LOSE or LOSE_CANCELLED, in one transaction."""
        started = dict(world.notes).get(process.found)
        for task, row in enumerate(world.rows):
            if self.mutant == "rescue on a stale read":
                if task in process.saw and row.state == RUNNING:
                    world = put(world, task, self._lost(row, True))
            elif row.state == RUNNING and row.owner == process.found:
                world = put(world, task, self._lost(row, started is None or task in started))
        notes = tuple(note for note in world.notes if note[0] != process.found)
        return change(world, who, process._replace(found=0, saw=()))._replace(notes=notes)

    def _lost(self, row: Row, was_started: bool) -> Row:
        row = row._replace(owner=0)
        if not was_started:
            return row._replace(state=READY, attempt=row.attempt - 1)
        if row.asked:
            return row._replace(state=CANCELLED)
        lost = row.lost + (self.mutant != "count deliveries after the run")
        return row._replace(state=FAILED if lost >= self.scope.cap else READY, lost=lost)

    # -- wishes, time ------------------------------------------------------------------------------

    def _cancel(self, world: World) -> Iterator[Step]:
        """The first task only; the other ones show what happens without."""
        row = world.rows[0]
        if row.state in (READY, SCHEDULED):
            after = self._durably(put(world, 0, row._replace(state=CANCELLED)))
            yield Step("CANCEL_WAITING", -1, 0, False, after)
        elif row.state == RUNNING and not row.asked:
            after = self._durably(put(world, 0, row._replace(asked=True)))
            yield Step("REQUEST_CANCEL", -1, 0, False, after)

    def _time(self, world: World) -> Iterator[Step]:
        for task, row in enumerate(world.rows):
            now = world.wall if self.mutant == "due by the wall clock" else world.steady
            if row.state == SCHEDULED and row.due <= now:
                yield Step("RELEASE", -1, task, True, put(world, task, row._replace(state=READY)))
            if row.state in ENDED or (self.mutant == "forget waiting tasks" and row.state == READY):
                yield Step("FORGET", -1, task, False, put(world, task, row._replace(state=GONE)))
        if world.steady < max(self.scope.delays):
            ticked = world._replace(steady=world.steady + 1, wall=world.wall + 1)
            yield Step("tick", -1, 0, True, ticked)
        if world.jumps:
            for step in (-1, 1):
                jumped = world._replace(wall=world.wall + step, jumps=world.jumps - 1)
                yield Step("set the wall clock", -1, 0, False, jumped)

    # -- faults ------------------------------------------------------------------------------------

    def _faults(self, world: World, who: int, process: Process) -> Iterator[Step]:
        if process.mode == DEAD:
            name = process.name if self.mutant == "use a dead process's name again" else world.names + 1
            begun = change(world, who, Process(ALIVE, name))._replace(names=max(world.names, name))
            yield Step("restart", who, 0, True, begun)
            return
        if world.crashes:
            died = self._died(world, who, process.hand)
            yield Step("crash", who, 0, False, died._replace(crashes=world.crashes - 1))
        if process.mode == FROZEN:
            yield Step("thaw", who, 0, True, change(world, who, process._replace(mode=ALIVE)))
        elif world.freezes:
            frozen = change(world, who, process._replace(mode=FROZEN))
            yield Step("freeze", who, 0, False, frozen._replace(freezes=world.freezes - 1))
        if world.stops and process.mode == ALIVE and not process.found:
            yield from self._stopped(world._replace(stops=world.stops - 1), who, process)

    def _stopped(self, world: World, who: int, process: Process) -> Iterator[Step]:
        """GIVE_BACK what can be ended; WILL_BE_LEFT where the function runs on until the process has died."""
        for left in (False, True):
            after, hand = world, []
            for ticket in process.hand:
                row = after.rows[ticket.task]
                if ticket.phase == LATE or not stands(row, ticket):
                    continue
                spent = ticket.phase == RUNS
                if left and spent:
                    row = row._replace(attempt=row.attempt - 1, lost=row.lost - 1, starts=row.starts - 1)
                    hand.append(ticket)
                else:
                    row = row._replace(
                        state=READY, owner=0, attempt=row.attempt - 1, starts=row.starts - spent
                    )
                after = put(after, ticket.task, row)
            if hand or not left:
                stopped = self._died(self._durably(after), who, tuple(hand))
                yield Step("WILL_BE_LEFT" if left else "GIVE_BACK", who, 0, False, stopped)

    def _died(self, world: World, who: int, hand: tuple[Ticket, ...]) -> World:
        """The kernel lets go of its lock. What it had started stays noted."""
        process = world.processes[who]
        note = (process.name, tuple(sorted(ticket.task for ticket in hand if ticket.phase == RUNS)))
        rows = list(world.rows)
        for ticket in hand:
            if ticket.phase == POSTED:
                rows[ticket.task] = rows[ticket.task]._replace(state=ABSENT)
        world = world._replace(rows=tuple(rows), notes=tuple(sorted({*world.notes, note})))
        return change(world, who, Process(DEAD, process.name))

    def _power_cut(self, world: World) -> Step:
        """Every process is dead, the notes are gone, and of the rows there is what was synced."""
        assert world.disk is not None
        rows = tuple(
            kept._replace(starts=row.starts) for kept, row in zip(world.disk, world.rows, strict=True)
        )
        dead = tuple(Process(DEAD, process.name) for process in world.processes)
        after = world._replace(rows=rows, processes=dead, notes=(), cuts=world.cuts - 1, disk=rows)
        return Step("power cut", -1, 0, False, after)

    def _durably(self, world: World) -> World:
        """What is committed with synchronous=FULL is on disk, and all that was committed before."""
        if world.disk is None or self.mutant == "synchronous=NORMAL":
            return world
        return world._replace(disk=world.rows)


def stands(row: Row, ticket: Ticket) -> bool:
    """`_MINE`: whether the claim of this ticket is the one that stands."""
    return row.state == RUNNING and row.fence == ticket.fence and row.owner == ticket.owner


def put(world: World, task: int, row: Row) -> World:
    return world._replace(rows=(*world.rows[:task], row, *world.rows[task + 1 :]))


def change(world: World, who: int, process: Process) -> World:
    return world._replace(processes=(*world.processes[:who], process, *world.processes[who + 1 :]))


def take(world: World, who: int, ticket: Ticket) -> World:
    process = world.processes[who]
    return change(world, who, process._replace(hand=tuple(sorted((*process.hand, ticket)))))


def drop(world: World, who: int, ticket: Ticket) -> World:
    process = world.processes[who]
    hand = list(process.hand)
    hand.remove(ticket)
    return change(world, who, process._replace(hand=tuple(hand)))
