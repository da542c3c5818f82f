"""The store in a SQLite file: each verb, and whose work it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

from hypern.clock import Clock, SystemClock
from hypern.errors import QueueUnavailable
from hypern.records import Lane, TaskRecord, TaskStatus
from hypern.stores.base import Cancellation, QueueState, WorkerState
from hypern.stores.durable.claims import AHEAD, Claim
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.keeping import Keeping
from hypern.stores.durable.rows import clean, lanes_of, to_row
from hypern.stores.durable.states import RUNNING, SCHEDULED
from hypern.stores.durable.writer import Writer
from hypern.stores.overview import Mark
from hypern.stores.pace import Pace, turn
from hypern.stores.sqlite import adding, beats, looking, scheduling, steering
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.endings import forget, forget_surplus
from hypern.stores.sqlite.glance import Glance
from hypern.stores.sqlite.ledger import SQLiteLedger
from hypern.stores.sqlite.neighbours import Neighbours
from hypern.stores.sqlite.readers import Readers
from hypern.stores.sqlite.seeing import Seeing
from hypern.stores.sqlite.transacting import Transactions
from hypern.stores.sqlite.transaction import Transaction
from hypern.stores.sqlite.watch import Watch

logger = logging.getLogger("hypern.tasks")

_FORGET_AT_ONCE = 500
# A task whose turn could not be written down is tried again after so long (seconds).
_AFTER_TROUBLE = 1.0
# The wall clock has stepped if it has moved this much against the steady one (seconds).
_STEP = 0.1


class SQLiteStore(Seeing):
    """`capacity`: the most tasks that may be PENDING, None: any number. `keep`, `keep_seconds`: ended tasks
    are kept at most this many (None: all) and this long. `ahead`: seconds' worth of short tasks that are
    claimed together. `clock`: whose times it is told, None: the machine's.

    Raises StoreUnusable where the file cannot be used, having changed nothing.
    """

    def __init__(
        self,
        address: Address,
        capacity: int | None = None,
        keep: int | None = None,
        keep_seconds: float = 7 * 86400.0,
        ahead: float = AHEAD,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self._capacity = capacity
        self._keeping = Keeping(keep_seconds, keep)
        self._database = Database(address)
        self._clock = SystemClock() if clock is None else clock
        self._writer = self._submits = Writer(Transactions(self._database))
        self._readers = Readers(self._database)
        self._neighbours = Neighbours(address)
        self._hands = Hands(SQLiteLedger(self._writer, self._neighbours, self._keeping), ahead)
        self._watch = Watch(
            self._database, self._writer, self._readers, self._hands, self._neighbours, self.rescue
        )
        self._glance = Glance(self._database)
        self._known_queues = set()
        self._last_offset = 0.0
        self._is_closed = False

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        self._neighbours.serve(workers, queues)
        self._hands.serve(workers, queues)
        # Its thread is needed when the first task ends, which may be when no thread can be started any more.
        self._writer.ring()

    # -- submit ------------------------------------------------------------------------------------

    def add_many(self, records: Sequence[TaskRecord]) -> list[str | None]:
        offset = self._offset()
        rows = [to_row(record, offset) for record in records]
        if not records:
            return []
        standing: list[str | None] = self._sure(
            records[0].id,
            lambda transaction: adding.add_many(transaction, records, rows, self._capacity),
        )
        for record, answer in zip(records, standing, strict=True):
            self._added(record, answer)
        return standing

    def _adding(self, record: TaskRecord) -> Callable[[Transaction], str | None]:
        row = to_row(record, self._offset())
        new_queue = record.spec.queue not in self._known_queues
        if self._capacity is None and record.unique_key is None and not new_queue:
            return adding.PlainAdding(record, row)
        return lambda transaction: adding.add(transaction, record, row, self._capacity, new_queue)

    def _offset(self) -> float:
        """Wall-clock minus steady seconds; another one after a step of the wall clock only, for the order of
        tasks must not hang on how quickly two clocks are read one after the other."""
        offset = self._clock.wall() - self._clock.steady()
        if abs(offset - self._last_offset) > _STEP:
            self._last_offset = offset
        return self._last_offset

    # -- claim, finish -----------------------------------------------------------------------------

    def admit(self, record: TaskRecord, fence: int, steady: float, wall: float) -> bool:
        rate = record.spec.rules.rate
        claim = self._hands.current(record.id, fence)
        if rate is None or claim is None:
            return True
        mine = (claim.seq, fence, self._neighbours.incarnation())

        def work(transaction: Transaction) -> float | None:
            pace = transaction.execute(sql.PACE, (record.name,)).fetchone()
            its_turn = turn(None if pace is None else Pace(*pace), claim.place, rate, steady)
            transaction.execute(sql.SET_PACE, (record.name, its_turn.pace.booked, its_turn.pace.started))
            if its_turn.due is None:
                if claim.place is not None:
                    transaction.execute(sql.FORGET_TURN, mine)
            elif transaction.execute(sql.PUT_BACK, (its_turn.due, its_turn.mine, *mine)).rowcount:
                transaction.moved(claim.queue, RUNNING, SCHEDULED)
            return its_turn.due

        try:
            due: float | None = self._writer.run(work, durable=False)
        except QueueUnavailable as error:
            logger.error("task %s %s cannot be started now: %s", record.name, record.id, error)
            due = steady + _AFTER_TROUBLE
            self._put_back(claim, due, mine)
        if due is None:
            return True
        self._hands.drop(claim)
        record.due = due
        return False

    def _put_back(self, claim: Claim, due: float, mine: tuple[int, int, str | None]) -> None:
        """Let a claimed task wait until `due`, as soon as that can be written."""

        def work(transaction: Transaction) -> None:
            if transaction.execute(sql.PUT_BACK, (due, claim.place, *mine)).rowcount:
                transaction.moved(claim.queue, RUNNING, SCHEDULED)

        self._writer.post(work, lambda result, error: None, persistent=True)

    def cancel(self, task_id: str, wall: float, reason: str | None = None) -> Cancellation | None:
        def work(transaction: Transaction) -> Cancellation | None:
            found = transaction.execute(sql.STATE_OF, (clean(task_id),)).fetchone()
            if found is None or found[1] > RUNNING:
                return None
            seq, state, queue, rules, name = found
            if state == RUNNING:
                transaction.execute(sql.REQUEST_CANCEL, (seq,))
                return Cancellation.REQUESTED
            scheduling.cancel_waiting(
                transaction, seq, queue, state, rules, name, wall, reason, self._keeping
            )
            return Cancellation.DONE

        found: Cancellation | None = self._writer.run(work)
        if found is Cancellation.REQUESTED:
            self._hands.cancel_requested([task_id])
        return found

    # -- delays, retention -------------------------------------------------------------------------

    def release(self, steady: float, wall: float) -> Collection[Lane]:
        due = self.next_due()
        if due is None or due > steady:
            return ()
        numbers: set[int] = self._writer.run(
            lambda transaction: scheduling.release(transaction, steady, wall, self._keeping), durable=False
        )
        lanes = lanes_of(numbers)
        for lane in lanes:
            self._hands.reserve(lane).may_have_more = True
        return lanes

    def next_due(self) -> float | None:
        with self._readers.reading() as connection:
            return looking.next_due(connection)

    def prune(self, wall: float) -> int:
        def work(transaction: Transaction) -> int:
            transaction.execute(sql.FREE_KEYS, (wall,))
            beats.fold(transaction, wall, _FORGET_AT_ONCE)
            gone = forget(transaction, transaction.execute(sql.GONE, (wall, _FORGET_AT_ONCE)).fetchall())
            if self._keeping.number is not None:
                gone += forget_surplus(transaction, self._keeping.number, _FORGET_AT_ONCE)
            return gone

        with self._readers.reading() as connection:
            is_due = (
                connection.execute(sql.GONE, (wall, 1)).fetchone() is not None
                or connection.execute(sql.HAS_FREE_KEYS, (wall,)).fetchone() is not None
                or beats.has_old(connection, wall)
            )
        if not is_due and self._keeping.number is None:
            return 0
        forgotten = 0
        while True:
            number: int = self._writer.run(work, durable=False)
            forgotten += number
            if number < _FORGET_AT_ONCE:
                return forgotten

    # -- look up -----------------------------------------------------------------------------------

    def _look_up(self, task_id: str) -> TaskRecord | None:
        with self._readers.reading() as connection:
            return looking.get(connection, clean(task_id))

    def find(self, statuses: Collection[TaskStatus]) -> list[TaskRecord]:
        with self._readers.reading() as connection:
            return looking.find(connection, statuses)

    def count(self) -> dict[TaskStatus, int]:
        with self._readers.reading() as connection:
            return looking.count(connection)

    def idle(self, steady: float) -> bool:
        if not self._hands.are_empty() or self._writer.has_waiting():
            return False
        with self._readers.reading() as connection:
            if connection.execute(sql.IS_DUE, (steady,)).fetchone() is not None:
                return False
            if any(looking.finds_ready(connection, self._hands, lane) for lane in Lane):
                return False
        # And once more: what was taken meanwhile was not found.
        return self._hands.are_empty()

    def queues(self) -> list[QueueState]:
        with self._readers.reading() as connection:
            return looking.queues(connection)

    def set_queue(self, name: str, *, paused: bool | None = None, limit: int | None = None) -> None:
        def work(transaction: Transaction) -> None:
            if paused is not None:
                transaction.execute(sql.SET_PAUSED, (name, int(paused)))
            if limit is not None:
                transaction.execute(sql.SET_LIMIT, (name, limit or None))

        self._writer.run(work)
        self._hands.look_again()

    def ahead(self, record: TaskRecord) -> int:
        with self._readers.reading() as connection:
            return looking.ahead(connection, record.id)

    # -- seeing and steering -----------------------------------------------------------------------

    def marks(self, task_ids: Collection[str]) -> dict[str, Mark]:
        return self._glance.look(task_ids)

    def again(self, task_id: str, new_id: str, steady: float, wall: float) -> str | None:
        offset = self._offset()
        added: TaskRecord | str | None = self._sure(
            new_id,
            lambda transaction: steering.again(
                transaction, clean(task_id), new_id, steady, wall, offset, self._capacity
            ),
        )
        if isinstance(added, TaskRecord):
            self._added(added, None)
            return new_id
        return added

    def hasten(self, task_id: str, steady: float, wall: float) -> bool:
        offset = self._offset()
        is_delayed: bool = self._writer.run(
            lambda transaction: steering.hasten(transaction, clean(task_id), wall, offset)
        )
        if is_delayed:
            self._hands.look_again()
        return is_delayed

    def delete(self, task_ids: Collection[str]) -> int:
        ids = [clean(task_id) for task_id in task_ids]
        deleted: int = self._writer.run(lambda transaction: steering.delete(transaction, ids))
        return deleted

    # -- other processes ---------------------------------------------------------------------------

    def watch(self, steady: float, wall: float) -> float | None:
        return self._watch.look(steady, wall)

    def rescue(self, steady: float, wall: float) -> int:
        number = self._neighbours.rescue(self._readers, self._writer, wall, self._keeping)
        if number:
            # Also where all have ended: in a queue with a limit there is room now.
            self._hands.look_again()
        return number

    def workers(self) -> list[WorkerState]:
        return self._neighbours.living()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.close(time.monotonic() + 1.0)
        self._neighbours.leave()
        self._watch.close()
        self._readers.close()
        self._database.close()

    def leave_to_the_parent(self) -> None:
        # Its connections have been closed already (forks.py).
        self._neighbours.leave_to_the_parent()
