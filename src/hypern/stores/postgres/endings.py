"""Finish: what the ends of attempts write. Each is refused unless that very claim stands."""

from __future__ import annotations

from typing import Any, assert_never

from hypern.records import Again, Cancelled, Completed, Ending, Failed
from hypern.stores.base import ATTEMPTS_KEPT
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.states import CANCELLED, COMPLETED, FAILED, SCHEDULED, STATUS
from hypern.stores.postgres import beats
from hypern.stores.postgres.arrays import blobs, booleans, numbers, texts
from hypern.stores.postgres.claiming import Claiming
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.transacting import Batch


class Finishing(Batch):
    """How one attempt ended. Its result: whether that was recorded. Times on the server's clock."""

    __slots__ = (
        "attempt",
        "claiming",
        "database",
        "due",
        "ending",
        "fence",
        "finished_at",
        "gone_at",
        "name",
        "omitted",
        "owner",
        "ready_at",
        "result",
        "seq",
        "started_at",
        "state",
        "was_sent",
    )

    def __init__(
        self,
        database: Database,
        claiming: Claiming,
        owner: str | None,
        claim: Claim,
        ending: Ending,
        result: tuple[bytes | None, str | None],
        finished_at: float,
        gone_at: float,
    ) -> None:
        record = claim.record
        self.database = database
        self.claiming = claiming
        self.owner = owner
        self.name = record.name
        self.ready_at = record.ready_at
        self.seq = claim.seq
        self.fence = claim.fence
        self.ending = ending
        self.result, self.omitted = result
        self.attempt = record.attempt
        self.started_at = database.times.of_wall(record.started_at)
        self.finished_at = finished_at
        self.gone_at: float | None = gone_at
        self.due: float | None = None
        self.was_sent = False
        match ending:
            case Completed():
                self.state = COMPLETED
            case Failed():
                self.state = FAILED
            case Cancelled():
                self.state = CANCELLED
            case Again():
                self.state = SCHEDULED
                self.gone_at = None
                self.due = database.times.due(ending.due)
                self.attempt -= 0 if ending.counts else 1
            case _:
                assert_never(ending)

    @classmethod
    def do(cls, link: Link, works: list[Any]) -> list[Any]:
        owners = {work.owner for work in works}
        recorded: set[int] = set()
        for owner in owners:
            for is_plain in (True, False):
                some = [
                    work for work in works if work.owner == owner and (work.state == COMPLETED) is is_plain
                ]
                if some:
                    recorded |= _write(link, owner, some, is_plain)
        held = works[0].claiming.held
        for work in works:
            if held.get(work.seq) == work.fence:
                del held[work.seq]
        return [work.seq in recorded for work in works]


def _write(link: Link, owner: str | None, works: list[Finishing], is_plain: bool) -> set[int]:
    """The numbers of those that were recorded."""
    sql = works[0].database.sql
    recorded = set()
    if any(work.was_sent for work in works):
        recorded = _written_before(link, [work for work in works if work.was_sent])
        works = [work for work in works if work.seq not in recorded]
        if not works:
            return recorded
    if is_plain:
        rows = link.rows(sql.COMPLETE, (*_plain(works), owner, *_beats(works)))
    else:
        rows = link.rows(sql.END, (*_other(works), owner, *_beats(works)))
        for work in works:
            if work.attempt > ATTEMPTS_KEPT:
                link.rows(sql.FORGET_OLD_ATTEMPTS, (work.seq, work.attempt - ATTEMPTS_KEPT))
    return recorded | {seq for (seq,) in rows}


def _beats(works: list[Finishing]) -> tuple[str, str, str]:
    return beats.to_parameters(
        (work.name, STATUS[work.state], work.ready_at, work.started_at, work.finished_at) for work in works
    )


def _written_before(link: Link, works: list[Finishing]) -> set[int]:
    """Which of them have been recorded by a statement that was not answered."""
    rows = link.rows(
        works[0].database.sql.ENDED_SO,
        (
            numbers([work.seq for work in works]),
            numbers([work.fence for work in works]),
            numbers([work.state for work in works]),
            numbers([work.started_at for work in works]),
        ),
    )
    return {seq for (seq,) in rows}


def _plain(works: list[Finishing]) -> tuple[str, ...]:
    return (
        numbers([work.seq for work in works]),
        numbers([work.fence for work in works]),
        numbers([work.attempt for work in works]),
        numbers([work.started_at for work in works]),
        numbers([work.finished_at for work in works]),
        numbers([work.gone_at for work in works]),
        blobs([work.result for work in works]),
        texts([work.omitted for work in works]),
    )


def _other(works: list[Finishing]) -> tuple[str, ...]:
    endings = [work.ending for work in works]
    return (
        numbers([work.seq for work in works]),
        numbers([work.fence for work in works]),
        numbers([work.state for work in works]),
        numbers([work.attempt for work in works]),
        numbers([work.started_at for work in works]),
        numbers([work.finished_at for work in works]),
        numbers([work.gone_at for work in works]),
        numbers([work.due for work in works]),
        texts([ending.error if isinstance(ending, (Failed, Again)) else None for ending in endings]),
        texts([ending.traceback if isinstance(ending, (Failed, Again)) else None for ending in endings]),
        texts([ending.reason if isinstance(ending, Cancelled) else None for ending in endings]),
        booleans([_counts(ending) for ending in endings]),
    )


def _counts(ending: Ending) -> bool:
    """Whether the attempt is one to be remembered."""
    return isinstance(ending, Failed) or (isinstance(ending, Again) and ending.counts)
