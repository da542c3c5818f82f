"""A second opinion on what a store holds, read by its own connection and not by Hypern."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from crash.judge import Row

# By the number under which the store keeps them: ready and scheduled tasks are both pending.
STATES = ("pending", "pending", "running", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`integrity`: `"ok"` or what is wrong; `rows`: the tasks in the order of submission; `outcomes`: what
    must not change any more, of those that have ended; `owners`: who holds what runs."""

    integrity: str
    rows: Sequence[Row]
    outcomes: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, str]


class Tables(Protocol):
    """`url`: of the store. `recovers_within`: seconds in which a dead worker's task has to run again."""

    url: str
    recovers_within: float

    def read(self) -> Snapshot:
        """The store as it is now."""
        ...

    def is_dead(self, owner: str) -> bool:
        """Whether the process that holds tasks under this name is known to have died."""
        ...


def kept_order(tables: Tables) -> list[str]:
    """The ids in the order of submission."""
    return [row.id for row in tables.read().rows]


def wait_drained(tables: Tables, seconds: float) -> bool:
    """Whether every task has ended within so many seconds."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if all(row.is_ended for row in tables.read().rows):
            return True
        time.sleep(0.05)
    return False
