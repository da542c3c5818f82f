"""Waiting tasks on their way from one durable store to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

# So many bytes of arguments are brought over together, and one task more: a page has to arrive before a
# server is thought to be away.
PAGE_BYTES = 4_000_000


class Carried(msgspec.Struct, frozen=True):
    """One waiting task as it is kept, whatever its function and arguments mean. Times: seconds since the
    epoch.

    `seq`: its number in the store that it comes from. `is_delayed`: `due` is still to come. `rank`: where it
    stands among those that wait. `origin`: the task that it repeats. `attempts`: number, started, finished,
    error and traceback of each.
    """

    seq: int
    id: str
    is_delayed: bool
    lane: int
    queue: str
    rank: float
    name: str
    func: str
    rules: bytes
    call: bytes
    due: float | None
    expires_at: float | None
    unique_key: str | None
    submitted_at: float
    ready_at: float
    started_at: float
    attempt: int
    fence: int
    lost: int
    error: str | None
    traceback: str | None
    origin: str | None
    attempts: tuple[tuple[Any, ...], ...] = ()


class HeldKey(msgspec.Struct, frozen=True):
    """A `unique` key that is taken until a second since the epoch, and by which task."""

    unique_key: str
    task: str
    until: float


class KeptQueue(msgspec.Struct, frozen=True):
    """What has been set for a queue. `most`: how many of its tasks may run at once, None: any number."""

    name: str
    paused: bool
    most: int | None


class Carrier(Protocol):
    """One end of the way. Each verb raises QueueUnavailable."""

    def read(self, after: int, limit: int) -> list[Carried]:
        """Waiting tasks with a `seq` above that one, in the order in which they were added; at most so many,
        fewer where their arguments take more than PAGE_BYTES, and none only where there are none."""
        ...

    def take(self, after: int, limit: int) -> list[Carried]:
        """The same, and nobody can claim or change them until `remove` or `leave`."""
        ...

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget tasks that were taken."""
        ...

    def leave(self) -> None:
        """Leave what was taken as it was."""
        ...

    def write(self, tasks: Sequence[Carried]) -> int:
        """Keep these, all or none, but those whose id or unique key is known. How many are new here. After
        the return they are not lost."""
        ...

    def settings(self) -> tuple[list[KeptQueue], list[HeldKey]]:
        """Queues with settings, and keys that are taken although their task may have ended."""
        ...

    def set(self, queues: Sequence[KeptQueue], keys: Sequence[HeldKey]) -> None:
        """Keep these; what is set here already stays, and so do keys that are taken."""
        ...

    def mark(self, word: str) -> None:
        """Keep a word, by which this store can be told from others however it is named."""
        ...

    def marked(self) -> str | None:
        """The word that was kept last."""
        ...

    def close(self) -> None: ...
