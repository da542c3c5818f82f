"""What this process does with tasks, as pieces of work for its writer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from hypern.records import Ending, Lane
from hypern.stores.durable.claims import Claim, Row
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.ledger import Recorded
from hypern.stores.durable.posting import OR_AT_THE_END, give_back_now_or_later, post_progress
from hypern.stores.durable.rows import lane_number
from hypern.stores.durable.states import READY, RUNNING
from hypern.stores.durable.writer import Writer
from hypern.stores.overview import LogLine
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.claiming import Limits, claim_some
from hypern.stores.sqlite.endings import Recording
from hypern.stores.sqlite.neighbours import Neighbours
from hypern.stores.sqlite.steering import keep_log
from hypern.stores.sqlite.transaction import Transaction

logger = logging.getLogger("hypern.tasks")


class SQLiteLedger:
    def __init__(self, writer: Writer, neighbours: Neighbours, keeping: Keeping) -> None:
        self._writer = writer
        self._neighbours = neighbours
        self._keeping = keeping
        self._limits = Limits()
        self.has_waiting = writer.has_waiting
        self.flush_here = writer.flush_here
        self.does_not_know = neighbours.does_not_know

    @property
    def has_limits(self) -> bool:
        return self._limits.are_set

    def claim(
        self, lane: Lane, wanted: int, wall: float, queues: Collection[str] | None, unknown: Collection[str]
    ) -> list[Row]:
        rows: list[Row] = self._writer.run(self._claiming(lane, wanted, wall, queues, unknown), durable=False)
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
        self._writer.post(self._claiming(lane, wanted, wall, queues, unknown), then, durable=False)

    def _claiming(
        self, lane: Lane, wanted: int, wall: float, queues: Collection[str] | None, unknown: Collection[str]
    ) -> Callable[[Transaction], list[Row]]:
        owner = self._neighbours.presence().incarnation
        number = lane_number(lane)

        def work(transaction: Transaction) -> list[Row]:
            return claim_some(transaction, number, wanted, owner, wall, queues, unknown, self._limits)

        return work

    def may_start(self) -> bool:
        # The kernel keeps the lock of a process as long as that lives.
        return True

    def started(self, seq: int) -> int:
        return self._neighbours.presence().start(seq)

    def stopped(self, slot: int) -> None:
        self._neighbours.stopped(slot)

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
        owner = self._neighbours.incarnation()
        recording = Recording(claim, owner, ending, result, wall, self._keeping)
        self._writer.post(recording, then, soon=soon, persistent=True)

    def report(
        self, claim: Claim, take: Callable[[], bytes | None], written: Callable[[bytes], None]
    ) -> None:
        mine = (claim.seq, claim.fence, self._neighbours.incarnation())

        def write(transaction: Transaction, progress: bytes) -> None:
            transaction.execute(sql.REPORT, (progress, *mine))

        post_progress(self._writer, take, write, written)

    def log(self, claim: Claim, latest: Callable[[], list[LogLine]]) -> None:
        owner = self._neighbours.incarnation()
        lines: list[LogLine] = []

        def work(transaction: Transaction) -> None:
            # What was taken before a transaction failed is not there a second time.
            lines.extend(latest())
            keep_log(transaction, claim, owner, lines)

        self._writer.post(work, lambda result, error: None, soon=False, persistent=True)

    def give_back(self, rows: Collection[Row]) -> None:
        def work(transaction: Transaction) -> None:
            self._give_back(transaction, rows)

        give_back_now_or_later(self._writer, work, len(rows), durable=False)

    def give_up(self, rows: Collection[Row], given: Collection[Claim], left: Collection[Claim]) -> None:
        owner = self._neighbours.incarnation()

        def work(transaction: Transaction) -> None:
            self._give_back(transaction, rows)
            for claim in left:
                transaction.execute(sql.WILL_BE_LEFT, (claim.seq, claim.fence, owner))
            for claim in given:
                if transaction.execute(sql.GIVE_BACK, (claim.seq, claim.fence, owner)).rowcount:
                    transaction.moved(claim.queue, RUNNING, READY)

        give_back_now_or_later(self._writer, work, len(rows) + len(given) + len(left), OR_AT_THE_END)

    def _give_back(self, transaction: Transaction, rows: Collection[Row]) -> None:
        owner = self._neighbours.incarnation()
        for row in rows:
            if transaction.execute(sql.GIVE_BACK, (row[0], row[13], owner)).rowcount:
                transaction.moved(row[17], RUNNING, READY)
