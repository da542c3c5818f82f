"""What this process has in hand: tasks claimed and waiting here for a moment, tasks running, endings on their
way into the tables."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from functools import partial

from hypern.errors import QueueUnavailable, UnknownTask
from hypern.records import Cancelled, Completed, Ending, Failed, Lane, TaskRecord, TaskSpec
from hypern.stores.base import Listener
from hypern.stores.durable.claims import Claim, Reserve, Row
from hypern.stores.durable.crashing import crash_point
from hypern.stores.durable.ledger import Ledger
from hypern.stores.durable.reports import Reports
from hypern.stores.durable.rows import Unreadable, encode_result, read_rules, to_claimed
from hypern.stores.overview import LINES_KEPT, LogLine

logger = logging.getLogger("hypern.tasks")

THREAD = Lane.THREAD
# Coroutines begin as soon as they are claimed, so they are claimed by the hundred.
_COROUTINES_TOGETHER = 100


class Hands:
    """`ahead`: seconds' worth of short tasks that are claimed together. `queues`: tasks of these only are
    claimed, None: of all; `unknown`: none of these functions, which are not found here."""

    def __init__(self, ledger: Ledger, ahead: float) -> None:
        self.listener: Listener | None = None
        self.queues: tuple[str, ...] | None = None
        self.unknown: frozenset[str] = frozenset()
        # Whether a claim has failed, so that there may be tasks of which nobody here knows.
        self.missed = False
        self._ledger = ledger
        self._is_eager = ahead > 0
        self._thread = Reserve(Lane.THREAD, 1, ahead)
        self._loop = Reserve(Lane.LOOP, _COROUTINES_TOGETHER if ahead else 1, ahead)
        self._claims: dict[str, Claim] = {}
        self._reported: set[str] = set()
        self._unknown_tasks: set[str] = set()
        # Asked to stop while they waited here.
        self._cancelled_here: set[str] = set()
        self.reports = Reports()
        # Lines that were logged and are not yet being written.
        self._lines: dict[str, list[LogLine]] = {}
        self._log_lock = threading.Lock()
        # As many as there are tasks between two of these places: their threads add and take away one each.
        self._moving: list[None] = []
        # Ended, and not yet written down.
        self._ending: dict[str, Claim] = {}

    def serve(self, workers: int, queues: tuple[str, ...] | None) -> None:
        self.queues = queues
        if self._is_eager:
            self._thread.hands = max(1, workers)

    def reserve(self, lane: Lane) -> Reserve:
        return self._thread if lane is THREAD else self._loop

    # -- claim -------------------------------------------------------------------------------------

    def can_claim(self) -> bool:
        return not self.missed and self._ledger.may_start()

    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        reserve = self._thread if lane is THREAD else self._loop
        if not self._ledger.may_start():
            return None
        while True:
            self._moving.append(None)
            try:
                record = self._start_next(reserve, wall)
                if record is not None:
                    return record
            finally:
                self._moving.pop()
            if not self._fill(reserve, wall):
                if lane is THREAD and self._ledger.has_waiting():
                    self._ledger.flush_here()
                return None

    def _start_next(self, reserve: Reserve, wall: float) -> TaskRecord | None:
        # Not within the `try` of `claim`, see `interrupted`.
        while reserve.rows:
            try:
                row = reserve.rows.popleft()
            except IndexError:  # another thread was quicker
                return None
            reserve.taken_at = time.monotonic()
            record = self._start(row, reserve, wall)
            if record is not None:
                return record
        return None

    def _fill(self, reserve: Reserve, wall: float) -> bool:
        """Claim some more. False: there are none, or they come later."""
        if not reserve.may_have_more:
            return False
        if reserve is self._loop and self._is_eager:
            # The event loop of the tasks does not wait for the disk.
            self._ask(reserve, wall)
            return False
        with reserve.filling:
            if reserve.rows:
                return True
            if not reserve.take_hint():
                return False
            try:
                wanted = reserve.wanted()
                rows = self._ledger.claim(reserve.lane, wanted, wall, self.queues, self.unknown)
            except Exception as error:
                self.missed = True
                if not isinstance(error, QueueUnavailable):
                    raise
                logger.error("no task can be claimed: %s", error)
                return False
            self._filled(reserve, rows, wanted)
            return bool(rows)

    def _ask(self, reserve: Reserve, wall: float) -> None:
        if reserve.asked:
            return
        reserve.asked = True
        reserve.may_have_more = False
        wanted = reserve.wanted()

        def then(rows: list[Row] | None, error: BaseException | None) -> None:
            if error is not None:
                self.missed = True
                logger.error("no task can be claimed: %s", error)
            elif rows:
                self._filled(reserve, rows, wanted)
            reserve.asked = False
            if (rows or reserve.may_have_more) and self.listener is not None:
                self.listener.on_ready((reserve.lane,))

        self._ledger.claim_soon(reserve.lane, wanted, wall, self.queues, self.unknown, then)

    def _filled(self, reserve: Reserve, rows: list[Row], wanted: int) -> None:
        if rows:
            crash_point("claimed")
            reserve.taken_at = time.monotonic()
            reserve.rows.extend(rows)
            if len(rows) >= wanted:
                reserve.may_have_more = True

    def _start(self, row: Row, reserve: Reserve, wall: float) -> TaskRecord | None:
        seq, task_id, name, func, fence = row[0], row[1], row[2], row[3], row[13]
        try:
            record = to_claimed(row, wall)
        except UnknownTask as unknown:
            self._give_back_unknown(row, func, unknown)
            return None
        except Unreadable as unreadable:
            self._end_unstarted(row, Failed(f"Unreadable: {unreadable}", str(unreadable)), wall)
            logger.error("task %s %s failed: %s", name, task_id, unreadable)
            return None
        if record.cancel_requested or task_id in self._cancelled_here:
            self._cancelled_here.discard(task_id)
            self._end_unstarted(row, Cancelled(), wall)
            return None
        slot = self._ledger.started(seq)
        self._claims[task_id] = Claim(record, seq, fence, slot, row[17], row[15], time.monotonic())
        crash_point("started")
        return record

    # -- finish ------------------------------------------------------------------------------------

    def current(self, task_id: str, fence: int) -> Claim | None:
        """The claim with this fence, while it runs here."""
        claim = self._claims.get(task_id)
        return claim if claim is not None and claim.fence == fence else None

    def drop(self, claim: Claim) -> None:
        """It has been put back, and runs here no more."""
        self._claims.pop(claim.record.id, None)
        self._ledger.stopped(claim.slot)
        self._room_in_a_queue()

    def _room_in_a_queue(self) -> None:
        """A task runs no more; where queues have limits, others may have waited for that."""
        if self._ledger.has_limits:
            self.look_again()

    def finish(self, record: TaskRecord, fence: int, ending: Ending, wall: float) -> bool | None:
        claim = self.current(record.id, fence)
        self._moving.append(None)
        try:
            # Of two that end the same attempt at the same time, one takes it away.
            if claim is None or self._claims.pop(record.id, None) is None:
                return False
            self._ending[record.id] = claim
        finally:
            self._moving.pop()
        crash_point("effect-done")
        reserve = self.reserve(record.spec.lane)
        reserve.ended(time.monotonic() - claim.since)
        result = encode_result(ending) if isinstance(ending, Completed) else (None, None)

        def then(recorded: bool | None, error: BaseException | None) -> None:
            crash_point("recorded")
            self._ledger.stopped(claim.slot)
            if self._ending.get(record.id) is claim:
                del self._ending[record.id]
            if error is not None:
                logger.error("how task %s %s ended could not be written: %s", record.name, record.id, error)
            if self.listener is not None:
                self.listener.on_finished(record, ending, bool(recorded))
            self._room_in_a_queue()

        # A thread that looks for its next task writes this with the claim; a coroutine does not wait for it.
        self._ledger.end(claim, ending, result, wall, then, soon=reserve is self._loop)
        return None

    def report(self, record: TaskRecord, fence: int, progress: bytes) -> bool:
        claim = self.current(record.id, fence)
        if claim is None:
            return False
        if self.reports.add(record.id, progress):
            self._ledger.report(
                claim, partial(self.reports.take, record.id), partial(self.reports.written, record.id)
            )
        return True

    def log(self, record: TaskRecord, fence: int, lines: Sequence[LogLine]) -> None:
        claim = self.current(record.id, fence)
        if claim is None:
            return
        with self._log_lock:
            waiting = self._lines.setdefault(record.id, [])
            is_on_its_way = bool(waiting)
            waiting.extend(lines)
            # While the store is in trouble nobody takes them.
            del waiting[:-LINES_KEPT]
        if not is_on_its_way:
            self._ledger.log(claim, lambda: self._take_lines(record.id))

    def _take_lines(self, task_id: str) -> list[LogLine]:
        with self._log_lock:
            return self._lines.pop(task_id, [])

    def _end_unstarted(self, row: Row, ending: Ending, wall: float) -> None:
        """End a claimed task that is not run."""
        task = TaskSpec.of(row[2], _nothing, _nothing, Lane.THREAD, read_rules(row[5]))
        # Cancelled before its function was called, it was not started once more.
        attempt = row[12] - isinstance(ending, Cancelled)
        record = TaskRecord(row[1], task, (), {}, row[7], None, None, row[9], attempt=attempt, fence=row[13])
        claim = Claim(record, row[0], row[13], -1, row[17], None, 0.0)

        def then(recorded: bool | None, error: BaseException | None) -> None:
            if self.listener is not None:
                self.listener.on_finished(record, ending, bool(recorded))

        self._ledger.end(claim, ending, (None, None), wall, then)

    # -- other processes ---------------------------------------------------------------------------

    def look_again(self) -> None:
        """There may be work that there was not when it was last looked for."""
        self.missed = False
        for reserve in (self._thread, self._loop):
            reserve.may_have_more = True
        if self.listener is not None:
            self.listener.on_ready(tuple(Lane))

    def forget_reserves(self) -> None:
        """What waits here has been taken over by others."""
        for reserve in (self._thread, self._loop):
            reserve.take_last()
            reserve.may_have_more = True

    def forget_unknown(self) -> bool:
        """Look for the functions that were not found once more: perhaps their module had not been run to its
        end. Whether there were any."""
        had, self.unknown = bool(self.unknown), frozenset()
        if had:
            self.look_again()
        return had

    def cancel_requested(self, task_ids: Collection[str]) -> list[str]:
        """Somebody asked these to stop. Those of them that run here."""
        running = []
        for task_id in task_ids:
            claim = self._claims.get(task_id)
            if claim is None:
                if any(row[1] == task_id for row in [*self._thread.rows, *self._loop.rows]):
                    self._cancelled_here.add(task_id)
            elif not claim.record.cancel_requested:
                claim.record.cancel_requested = True
                running.append(task_id)
        return running

    def has_claims(self) -> bool:
        return bool(self._claims or self._thread.rows or self._loop.rows)

    def are_busy(self) -> bool:
        # In the order in which tasks go on, so that one that does so meanwhile is met.
        waits = self._thread.rows or self._loop.rows
        return bool(waits or self._moving or self._claims or self._moving or self._ending)

    def are_empty(self) -> bool:
        """Nothing is in hand, and nothing is being taken: what has been claimed and is not here yet is found
        neither among the tasks that wait nor among those that run here."""
        reserves = (self._thread, self._loop)
        is_taking = any(reserve.asked or reserve.filling.locked() for reserve in reserves)
        return not is_taking and not self.are_busy()

    # -- give back ---------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Give back what waits here."""
        self._let_go([*self._thread.take_last(), *self._loop.take_last()])

    def let_go_of_stale(self) -> None:
        """What has waited here too long goes back: another process may have time for it."""
        for reserve in (self._thread, self._loop):
            if reserve.surplus():
                # Nobody claims what comes after them, before they can be claimed again.
                with reserve.filling:
                    self._let_go(reserve.take_last(reserve.surplus()))
                    reserve.may_have_more = True

    def _let_go(self, rows: list[Row]) -> None:
        if rows:
            self._ledger.give_back(rows)

    def give_back(self, still_running: Collection[Lane]) -> list[TaskRecord]:
        """Give everything back that has not ended. `still_running`: lanes whose threads could not be ended;
        their tasks go back when this process has died."""
        rows = [*self._thread.take_last(), *self._loop.take_last()]
        claims = list(self._claims.values())
        if not rows and not claims:
            return []
        given = [claim for claim in claims if claim.record.spec.lane not in still_running]
        left = [claim for claim in claims if claim.record.spec.lane in still_running]
        self._ledger.give_up(rows, given, left)
        for claim in given:
            self.drop(claim)
        return [claim.record for claim in claims]

    def _give_back_unknown(self, row: Row, func: str, unknown: UnknownTask) -> None:
        """This process does not know the function; another one may. It stays where it is, and is reported."""
        self.unknown |= {func}
        if func not in self._reported:
            self._reported.add(func)
            self._unknown_tasks.add(row[2])
            self._ledger.does_not_know(self._unknown_tasks)
            logger.error("tasks of %s wait for a process that knows them: %s", func, unknown)
        self._let_go([row])


def _nothing() -> None:
    """The function of a task that is ended without being run."""
