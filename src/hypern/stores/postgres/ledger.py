"""What this process does with tasks, as pieces of work for the connection of its worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

import psycopg

from hypern.errors import QueueUnavailable
from hypern.records import Ending, Lane
from hypern.stores.durable.claims import Claim, Row
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.ledger import Recorded
from hypern.stores.durable.posting import OR_AT_THE_END, give_back_now_or_later, post_progress
from hypern.stores.durable.writer import Writer
from hypern.stores.overview import LogLine
from hypern.stores.postgres.arrays import numbers
from hypern.stores.postgres.claiming import Claiming
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.endings import Finishing
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.overview import Logging
from hypern.stores.postgres.presence import Presence

logger = logging.getLogger("hypern.tasks")

# What has run so long (seconds) is marked as started; most tasks have ended by then.
_MARKED_AFTER = 0.005


class PostgresLedger:
    def __init__(self, database: Database, writer: Writer, presence: Presence, keeping: Keeping) -> None:
        self.claiming = Claiming(database, keeping)
        self._database = database
        self._writer = writer
        self._presence = presence
        self._keeping = keeping
        self.has_waiting = writer.has_waiting
        self.flush_here = writer.flush_here
        self.does_not_know = presence.does_not_know
        # Since when those run that were claimed ahead and are not marked, by number.
        self._unmarked: dict[int, float] = {}
        self._ahead: set[int] = set()

    @property
    def has_limits(self) -> bool:
        return self._database.has_limits

    def claim(
        self, lane: Lane, wanted: int, wall: float, queues: Collection[str] | None, unknown: Collection[str]
    ) -> list[Row]:
        rows: list[Row] = self._writer.run(self._claiming(lane, wanted, wall, queues, unknown))
        return rows

    def claim_soon(
        self,
        lane: Lane,
        wanted: int,
        wall: float,
        queues: Collection[str] | None,
        unknown: Collection[str],
        then: Callable[[list[Row] | None, BaseException | None], None],
    ) -> None:
        self._writer.post(self._claiming(lane, wanted, wall, queues, unknown), then)

    def _claiming(
        self, lane: Lane, wanted: int, wall: float, queues: Collection[str] | None, unknown: Collection[str]
    ) -> Callable[[Link], list[Row]]:
        started_at = self._database.times.of_wall(wall)

        def work(link: Link) -> list[Row]:
            owner = self._presence.incarnation()
            rows = self.claiming.claim(link, owner, lane, wanted, started_at, queues, unknown)
            if lane is Lane.THREAD:
                self._ahead.update(row[0] for row in rows[1:])
            return rows

        return work

    def may_start(self) -> bool:
        if self._presence.is_certain():
            return True
        if self._presence.is_watched:
            return False
        # Nobody calls `watch`, as where a store is used without an engine: then its lease is renewed here.
        try:
            return self._presence.keep_up()
        except (psycopg.Error, QueueUnavailable) as error:
            logger.error("nothing can be started: %s", error)
            return False

    def started(self, seq: int) -> int:
        if seq in self._ahead:
            self._ahead.discard(seq)
            self._unmarked[seq] = time.monotonic()
        return seq

    def stopped(self, slot: int) -> None:
        self._unmarked.pop(slot, None)

    def mark(self) -> None:
        """Have those marked as started that were claimed ahead and have run for a while."""
        before = time.monotonic() - _MARKED_AFTER
        seqs = [seq for seq, since in list(self._unmarked.items()) if since < before]
        if not seqs:
            return
        for seq in seqs:
            self._unmarked.pop(seq, None)

        def work(link: Link) -> None:
            held = self.claiming.held
            mine = [(seq, held[seq]) for seq in seqs if seq in held]
            if mine:
                link.rows(self._database.sql.MARK, (*_claims(mine), self._presence.id))

        self._writer.post(work, lambda result, error: None)

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
        finished_at = self._database.times.of_wall(wall)
        gone_at = self._keeping.gone_at(claim.record.spec.rules, finished_at)
        owner = self._presence.id
        work = Finishing(self._database, self.claiming, owner, claim, ending, result, finished_at, gone_at)
        self._writer.post(work, then, soon=soon, persistent=True)

    def report(
        self, claim: Claim, take: Callable[[], bytes | None], written: Callable[[bytes], None]
    ) -> None:
        def write(link: Link, progress: bytes) -> None:
            link.rows(self._database.sql.REPORT, (progress, claim.seq, claim.fence, self._presence.id))

        post_progress(self._writer, take, write, written)

    def log(self, claim: Claim, latest: Callable[[], list[LogLine]]) -> None:
        work = Logging(self._database, claim, self._presence.id, latest)
        self._writer.post(work, lambda result, error: None, soon=False, persistent=True)

    def give_back(self, rows: Collection[Row]) -> None:
        mine = [(row[0], row[13]) for row in rows]

        def work(link: Link) -> None:
            self._give_back(link, mine)

        give_back_now_or_later(self._writer, work, len(mine))

    def give_up(self, rows: Collection[Row], given: Collection[Claim], left: Collection[Claim]) -> None:
        mine = [(row[0], row[13]) for row in rows]
        mine += [(claim.seq, claim.fence) for claim in given]

        def work(link: Link) -> None:
            with link.together():
                if left:
                    those = _claims([(claim.seq, claim.fence) for claim in left])
                    link.rows(self._database.sql.WILL_BE_LEFT, (*those, self._presence.id))
                if mine:
                    self._give_back(link, mine)
                link.rows(self._database.sql.TELL)

        give_back_now_or_later(self._writer, work, len(mine) + len(left), OR_AT_THE_END)

    def dropped(self, claim: Claim) -> None:
        """It has been put back by another statement."""
        self.claiming.held.pop(claim.seq, None)

    def _give_back(self, link: Link, mine: list[tuple[int, int]]) -> None:
        self.claiming.look_everywhere()
        link.rows(self._database.sql.GIVE_BACK, (*_claims(mine), self._presence.id))
        for seq, fence in mine:
            self._ahead.discard(seq)
            if self.claiming.held.get(seq) == fence:
                del self.claiming.held[seq]

    def forget_claims(self) -> None:
        """They are another's now: this process was taken for dead."""
        self.claiming.held.clear()
        self._ahead.clear()
        self._unmarked.clear()


def _claims(mine: list[tuple[int, int]]) -> tuple[str, str]:
    return numbers([seq for seq, _ in mine]), numbers([fence for _, fence in mine])
