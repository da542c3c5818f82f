"""The seam between what a process has in hand and the tables of its store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from hypern.records import Ending, Lane
from hypern.stores.durable.claims import Claim, Row
from hypern.stores.overview import LogLine

# What the end of a claim is told to: whether it was recorded, or the error that keeps it from being written.
Recorded = Callable[[bool | None, BaseException | None], None]


class Ledger(Protocol):
    """Writes down what this process does with tasks. Each verb may be called from any thread.

    Every write about a claimed task is refused unless that very claim stands.
    """

    @property
    def has_limits(self) -> bool:
        """Whether any queue had a limit when tasks were last claimed."""
        ...

    def claim(
        self, lane: Lane, wanted: int, wall: float, queues: Collection[str] | None, unknown: Collection[str]
    ) -> list[Row]:
        """Take up to `wanted` tasks of a lane, in the order in which they should start. `queues`: of these
        only; `unknown`: none of these functions, which this process does not know.

        Raises QueueUnavailable.
        """
        ...

    def claim_soon(
        self,
        lane: Lane,
        wanted: int,
        wall: float,
        queues: Collection[str] | None,
        unknown: Collection[str],
        then: Callable[[list[Row] | None, BaseException | None], None],
    ) -> None:
        """The same without waiting for it: `then` is called with the rows, or with what went wrong."""
        ...

    def may_start(self) -> bool:
        """Whether what has been claimed may be started; not where others may have taken it over by now."""
        ...

    def started(self, seq: int) -> int:
        """Note that a claimed task has been started: a crash counts from now on. What `stopped` wants."""
        ...

    def stopped(self, slot: int) -> None:
        """It runs no more."""
        ...

    def end(
        self,
        claim: Claim,
        ending: Ending,
        result: tuple[bytes | None, str | None],
        wall: float,
        then: Recorded,
        *,
        soon: bool = True,
    ) -> None:
        """Write how an attempt ended, whatever the trouble meanwhile, and call `then`. `result`: a returned
        value as it is kept, and why it is not. `soon=False`: it may wait a little for company."""
        ...

    def report(
        self, claim: Claim, take: Callable[[], bytes | None], written: Callable[[bytes], None]
    ) -> None:
        """Write soon how far a task is: what `take()` gives then, None: nothing any more; `written(…)` is
        called with that when others can read it. What cannot be written now is taken and lost; a later report
        is tried anew."""
        ...

    def log(self, claim: Claim, latest: Callable[[], list[LogLine]]) -> None:
        """Keep lines that a task wrote, soon: those that `latest()` gives then. Whatever the trouble: what
        cannot be written now is written as soon as that is possible."""
        ...

    def give_back(self, rows: Collection[Row]) -> None:
        """Let others have what was claimed and not started; no attempt is spent. Whatever the trouble: what
        cannot be written now is written as soon as that is possible."""
        ...

    def give_up(self, rows: Collection[Row], given: Collection[Claim], left: Collection[Claim]) -> None:
        """As `give_back`, and of what runs: others may have `given` at once, and `left` when this process has
        died, without that counting as a death."""
        ...

    def does_not_know(self, tasks: Collection[str]) -> None:
        """Say to those who ask that this process does not find the functions of these tasks."""
        ...

    def has_waiting(self) -> bool:
        """Whether endings are on their way."""
        ...

    def flush_here(self) -> None:
        """Write what is on its way now, in this thread."""
        ...
