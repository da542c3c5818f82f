"""How far a search for waiting tasks goes over many queues.

To find the first hundred of all, the first hundred of each have to be looked at and locked: with a thousand
queues a hundred thousand tasks, which others have to go past meanwhile. But by the tasks that were found last
it can be told about where the next ones are, so they are looked for up to there first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
from psycopg.types.numeric import Int8

# The place of a task in line: its rank, and its number.
Place = tuple[float, int]
# (from this rank on, up to this place, so many, of which so many start at once): rows of `n, rank, seen, seq`
# and more, in order. `seen`: how many were locked.
Search = Callable[[float, Place, int, int], list[tuple[Any, ...]]]

END: Place = (math.inf, Int8(2**63 - 1))
# Where more than so many times what is wanted had to be locked, the next search begins with a short reach.
_WASTE = 4
# Up to where so many times what is wanted is to be expected; others may have locked some of it.
_REACHES = (2, 16)


class _Step(msgspec.Struct, frozen=True):
    """`last`: where the last task was found; `rank`, `number`: about how far it is to the next one."""

    last: Place
    rank: float
    number: float

    def after(self, tasks: int) -> Place:
        """The place that so many tasks are before."""
        rank, number = self.last
        if self.rank > 0:
            return rank + tasks * self.rank, END[1]
        # They were submitted together.
        return rank, Int8(number + math.ceil(tasks * self.number))


class Reach:
    """Of the searches in one lane."""

    def __init__(self) -> None:
        self._last: Place | None = None
        self._step: _Step | None = None

    def find(self, search: Search, begin: float, wanted: int, marked: int) -> list[tuple[Any, ...]]:
        """The first `wanted` tasks from the rank `begin` on. `marked`: so many of them start at once."""
        found: list[tuple[Any, ...]] = []
        ends = [self._step.after(times * wanted) for times in _REACHES] if self._step else []
        is_wasteful = False
        for end in (*ends, END):
            missing = wanted - len(found)
            rows = search(begin, end, missing, max(0, marked - len(found)))
            found += rows
            seen = rows[0][2] if rows else 0
            is_wasteful = end is not END or seen > _WASTE * missing
            if len(found) >= wanted or len(rows) < min(seen, missing):
                break  # all; or one that is claimed alone
        self._learn(found, is_wasteful and len(found) >= wanted)
        return found

    def _learn(self, found: list[tuple[Any, ...]], is_wasteful: bool) -> None:
        before, self._step = self._last, None
        self._last = (found[-1][1], found[-1][3]) if found else None
        if is_wasteful and before is not None and self._last is not None and self._last > before:
            rank, number = self._last[0] - before[0], self._last[1] - before[1]
            self._step = _Step(self._last, rank / len(found), number / len(found))
