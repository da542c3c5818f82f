"""The store in a PostgreSQL database: each verb, and whose work it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

import psycopg

from hypern.clock import Clock, SystemClock
from hypern.errors import QueueUnavailable
from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import EXPIRED, Cancellation, QueueState, WorkerState
from hypern.stores.durable.claims import AHEAD
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import clean, lanes_of
from hypern.stores.durable.states import RUNNING
from hypern.stores.durable.writer import Writer
from hypern.stores.postgres import adding, beats, looking, neighbours, overview, pacing, pruning, within
from hypern.stores.postgres.address import Address
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.endings import Finishing
from hypern.stores.postgres.ledger import PostgresLedger
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.overview import Logging
from hypern.stores.postgres.presence import Presence
from hypern.stores.postgres.seeing import Seeing
from hypern.stores.postgres.times import ServerTime, Times
from hypern.stores.postgres.transacting import Transactions
from hypern.stores.postgres.watch import Watch

_RELEASED_AT_ONCE = 1000
_ORPHANS_EVERY = 10.0


class PostgresStore(Seeing):
    """`capacity`: the most tasks that may be PENDING, None: any number. `keep`, `keep_seconds`: ended tasks
    are kept at most this many (None: all) and this long. `ahead`: seconds' worth of short tasks that are
    claimed together. `clock`: whose times it is told, None: the machine's. `times`: what is known of the
    server's clock, None: what the server says.

    Raises StoreUnusable where the database cannot be used, having changed nothing.
    """

    def __init__(
        self,
        address: Address,
        capacity: int | None = None,
        keep: int | None = None,
        keep_seconds: float = 7 * 86400.0,
        ahead: float = AHEAD,
        clock: Clock | None = None,
        times: Times | None = None,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        super().__init__()
        self._capacity = capacity
        self._keeping = Keeping(keep_seconds, keep)
        self._times = ServerTime(clock) if times is None else times
        self._database = Database(address, clock, self._times)
        self._sql = self._database.sql
        self._submits = Writer(Transactions(self._database, "submits"))
        self._writer = Writer(Transactions(self._database, "tasks", order=(Logging, Finishing)))
        self._presence = Presence(self._database)
        self._ledger = PostgresLedger(self._database, self._writer, self._presence, self._keeping)
        self._hands = Hands(self._ledger, ahead)
        self._watch = Watch(
            self._database, self._writer, self._presence, self._ledger, self._hands, self._care
        )
        self._known_queues = set()
        self._next_orphans = 0.0
        self._is_closed = False

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        self._presence.serve(workers, queues)
        self._hands.serve(workers, queues)
        # Their threads may be needed for the first time when no thread can be started any more.
        self._submits.ring()
        self._writer.ring()

    # -- submit ------------------------------------------------------------------------------------

    def add_many(self, records: Sequence[TaskRecord]) -> list[str | None]:
        if not records:
            return []
        rows = [adding.to_parameters(record, self._times) for record in records]
        work = adding.Whole(lambda link: adding.add_all(link, self._database, records, rows, self._capacity))
        standing: list[str | None] = self._sure(records[0].id, work)
        for record, answer in zip(records, standing, strict=True):
            self._added(record, answer)
        return standing

    def add_within(self, record: TaskRecord, connection: object) -> str | None:
        return within.run(self._database, connection, self._within(record))

    async def add_within_async(self, record: TaskRecord, connection: object) -> str | None:
        doing = await asyncio.to_thread(self._within, record)
        return await within.run_async(self._database, connection, doing)

    def _within(self, record: TaskRecord) -> within.Steps:
        queue = record.spec.queue
        if queue not in self._known_queues:
            # Not in the transaction: others that name it for the first time would wait for its end.
            self._submits.run(lambda link: link.rows(self._sql.KNOWN_QUEUES, ([queue],)))
            self._known_queues.add(queue)
        parameters = adding.to_parameters(record, self._times)
        return within.steps(self._database, record, parameters, self._capacity)

    def _adding(self, record: TaskRecord) -> adding.Adding | adding.Whole:
        parameters = adding.to_parameters(record, self._times)
        queue = None if record.spec.queue in self._known_queues else record.spec.queue
        if record.unique_key is None and self._capacity is None:
            return adding.Adding(self._database, record.id, parameters, queue)
        return adding.Whole(
            lambda link: adding.add_one(link, self._database, record, parameters, self._capacity)
        )

    def _added(self, record: TaskRecord, standing: str | None) -> None:
        super()._added(record, standing)
        if record.spec.priority > 0:
            self._ledger.claiming.look_everywhere()

    # -- claim, finish -----------------------------------------------------------------------------

    def admit(self, record: TaskRecord, fence: int, steady: float, wall: float) -> bool:
        claim = self._hands.current(record.id, fence)
        if record.spec.rules.rate is None or claim is None:
            return True
        due = pacing.admit(self._writer, self._database, self._presence, claim, steady)
        if due is None:
            return True
        self._ledger.dropped(claim)
        self._hands.drop(claim)
        record.due = self._times.steady(due)
        return False

    def cancel(self, task_id: str, wall: float, reason: str | None = None) -> Cancellation | None:
        now = self._times.of_wall(wall)
        parameters = (clean(task_id), reason, now, now, self._keeping.seconds, now)
        rows = self._submits.run(lambda link: link.rows(self._sql.CANCEL, parameters))
        if not rows:
            return None
        if rows[0][0] != RUNNING:
            return Cancellation.DONE
        self._hands.cancel_requested([task_id])
        return Cancellation.REQUESTED

    # -- delays, retention -------------------------------------------------------------------------

    def release(self, steady: float, wall: float) -> Collection[Lane]:
        due = self.next_due()
        if due is None or due > steady:
            return ()
        passed, now = self._times.passed(steady), self._times.of_wall(wall)
        seconds = self._keeping.seconds

        def work(link: Link) -> list[Lane]:
            link.rows(self._sql.EXPIRE, (passed, _RELEASED_AT_ONCE, EXPIRED, now, now, seconds, now))
            rows = link.rows(self._sql.RELEASE, (passed, _RELEASED_AT_ONCE, now))
            return lanes_of(row[0] for row in rows)

        lanes: list[Lane] = self._submits.run(work)
        for lane in lanes:
            self._hands.reserve(lane).may_have_more = True
        return lanes

    def next_due(self) -> float | None:
        return self._database.read(lambda link: looking.next_due(link, self._database))

    def prune(self, wall: float) -> int:
        now = self._times.of_wall(wall)

        def work(link: Link) -> int:
            beats.fold(link, self._database, now)
            return pruning.prune(link, self._database, self._keeping, now)

        return self._database.read(work)

    # -- look up -----------------------------------------------------------------------------------

    def _look_up(self, task_id: str) -> TaskRecord | None:
        return self._database.read(lambda link: looking.get(link, self._database, clean(task_id)))

    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        return self._database.read(lambda link: looking.find(link, self._database, statuses))

    def count(self) -> dict[TaskStatus, int]:
        return self._database.read(lambda link: looking.count(link, self._database))

    def idle(self, steady: float) -> bool:
        if not self._hands.are_empty() or self._writer.has_waiting():
            return False
        passed = self._times.passed(steady)

        def work(link: Link) -> bool:
            if link.row(self._sql.IS_DUE, (passed,)) is not None:
                return False
            return not any(looking.finds_ready(link, self._database, self._hands, lane) for lane in Lane)

        # And once more: what was taken meanwhile was not found.
        return self._database.read(work) and self._hands.are_empty()

    def queues(self) -> list[QueueState]:
        return self._database.read(lambda link: looking.queues(link, self._database))

    def set_queue(self, name: str, *, paused: bool | None = None, limit: int | None = None) -> None:
        parameters = (name, paused, limit, paused, limit, limit)

        def work(link: Link) -> None:
            link.rows(self._sql.SET_QUEUE, parameters)
            link.rows(self._sql.TELL)
            self._database.has_limits = link.rows(self._sql.HAS_LIMITS)[0][0]

        self._submits.run(work)
        self._ledger.claiming.look_everywhere()
        self._hands.look_again()

    def ahead(self, record: TaskRecord) -> int:
        return int(self._database.read(lambda link: link.rows(self._sql.AHEAD, (record.id,))[0][0]))

    # -- seeing and steering -----------------------------------------------------------------------

    def again(self, task_id: str, new_id: str, steady: float, wall: float) -> str | None:
        work = adding.Whole(
            lambda link: overview.again(
                link, self._database, clean(task_id), new_id, steady, wall, self._capacity
            )
        )
        added: TaskRecord | str | None = self._sure(new_id, work)
        if isinstance(added, TaskRecord):
            self._added(added, None)
            return new_id
        return added

    def hasten(self, task_id: str, steady: float, wall: float) -> bool:
        parameters = (self._times.waiting_since(wall), self._times.of_wall(wall), clean(task_id))

        def work(link: Link) -> bool:
            is_delayed = bool(link.rows(self._sql.HASTEN, parameters))
            link.rows(self._sql.TELL)
            return is_delayed

        is_delayed: bool = self._submits.run(work)
        if is_delayed:
            self._hands.look_again()
        return is_delayed

    def delete(self, task_ids: Collection[str]) -> int:
        ids = [clean(task_id) for task_id in task_ids]
        rows = self._submits.run(lambda link: link.rows(self._sql.DELETE, (ids,)))
        return int(rows[0][0])

    # -- other processes ---------------------------------------------------------------------------

    def watch(self, steady: float, wall: float) -> float | None:
        return self._watch.look(steady, wall)

    def rescue(self, steady: float, wall: float) -> int:
        return self._database.read(lambda link: self._rescue(link, orphans=True))

    def _care(self, link: Link) -> None:
        """What one process of all does for all of them."""
        now = time.monotonic()
        looks_for_orphans = now >= self._next_orphans
        if looks_for_orphans:
            self._next_orphans = now + _ORPHANS_EVERY
        self._rescue(link, orphans=looks_for_orphans)
        pruning.fold(link, self._database)

    def _rescue(self, link: Link, orphans: bool) -> int:
        neighbours.note_free_locks(link, self._database)
        now = self._times.passed(self._database.clock.steady())
        number = neighbours.rescue(
            link, self._database, self._presence.id, self._keeping, now, orphans=orphans
        )
        if number:
            # Also where all have ended: in a queue with a limit there is room now.
            self._ledger.claiming.look_everywhere()
            self._hands.look_again()
        return number

    def workers(self) -> list[WorkerState]:
        return self._database.read(lambda link: neighbours.living(link, self._database))

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + 1.0
        self._submits.close(deadline)
        self._writer.close(deadline)
        try:
            self._presence.leave()
        except (psycopg.Error, QueueUnavailable):
            pass  # others see that its lock is free
        self._database.close()

    def leave_to_the_parent(self) -> None:
        # Its connections have been let go of already (forks.py).
        pass
