"""The engine: one store, the workers on it and the loops beside them; started lazily, stopped in order."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection

from hypern.clock import Clock, SystemClock
from hypern.config import Settings
from hypern.errors import EngineStopped
from hypern.events import Events
from hypern.loops import Loop
from hypern.records import Ending, Lane, TaskRecord, TaskStatus
from hypern.stores.base import Cancellation, Store
from hypern.stores.opening import open_store
from hypern.tasks import process
from hypern.tasks.worker import LoopLane, ThreadLane, Work

logger = logging.getLogger("hypern.tasks")

THREAD = Lane.THREAD

_TIDY_EVERY = 2.0
# So many unfinished tasks are named one by one.
_NAMED = 500
_ENDING = "the process is ending and takes no more tasks; nothing was queued."
# After the grace is over: how long threads may take to see that they are to end.
_ENDING_SECONDS = 1.0


class Engine:
    """Runs the tasks of one store. Nothing is started before the first task is submitted.

    `stop` may be followed by another start, by the next task: an id that was returned is an id that the
    engine answers for. Only the end of the process is final.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock() if clock is None else clock
        self.events = Events()
        self._reset()
        process.look_after(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._settled = threading.Condition()
        self._watchers = 0
        self._hurried = False
        self._started = False
        self._final = process.is_ending()
        self.store: Store = open_store(self.settings)
        self.store.attach(self)
        self._work = Work(self.store, self.clock, self.events, self._on_settled, self._on_delayed)
        self._threads: ThreadLane
        self._loop: LoopLane
        self._loops: list[Loop] = []
        self._delays: Loop

    # -- the way of a task --------------------------------------------------------------------------

    def accept(self, record: TaskRecord) -> str:
        """Keep a new task and wake who runs it. Its id, or that of the task that stands for it already.

        Raises QueueFull or EngineStopped; nothing is kept then.
        """
        if self._final:
            raise EngineStopped(_ENDING)
        standing = self.store.add(record)
        self._accepted(record)
        if standing is not None:
            return standing
        if self.events.listeners:
            self.events.emit("submitted", record.id, record.name, 0)
        return record.id

    async def accept_async(self, record: TaskRecord) -> str:
        """As `accept`, for an event loop that a store's disk must not hold up."""
        if not self.store.shared:
            return self.accept(record)
        if self._final:
            raise EngineStopped(_ENDING)
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[str | None] = loop.create_future()

        def settle(standing: str | None, error: BaseException | None) -> None:
            if kept.cancelled():
                return
            if error is None:
                kept.set_result(standing)
            else:
                kept.set_exception(error)

        def done(standing: str | None, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(settle, standing, error)

        self.store.add_soon(record, done)
        standing = await kept
        self._accepted(record)
        if standing is not None:
            return standing
        if self.events.listeners:
            self.events.emit("submitted", record.id, record.name, 0)
        return record.id

    def accept_many(self, records: list[TaskRecord]) -> list[str]:
        """As `accept`, all of them or none."""
        if self._final:
            raise EngineStopped(_ENDING)
        standing = self.store.add_many(records)
        for record in records:
            self._accepted(record)
        if self.events.listeners:
            for record, other in zip(records, standing, strict=True):
                if other is None:
                    self.events.emit("submitted", record.id, record.name, 0)
        return [other or record.id for record, other in zip(records, standing, strict=True)]

    def _accepted(self, record: TaskRecord) -> None:
        if not self._started:
            self.start()
        if record.due is not None:
            self._on_delayed(record.due)
        elif record.spec.lane is THREAD:
            self._threads.notify()
        else:
            self._loop.notify()
        if record.expires_at is not None:
            self._on_delayed(record.expires_at)
        if not self._started:  # it was stopped meanwhile, perhaps before that word got through
            self.start()

    def cancel(self, task_id: object) -> bool:
        """Cancel a waiting task, ask a running one to stop. False: unknown, no id at all, or ended."""
        if not isinstance(task_id, str):
            return False
        found = self.store.cancel(task_id, self.clock.wall())
        if found is None:
            return False
        if found is Cancellation.REQUESTED:
            self._interrupt(task_id)
            return True
        self._on_settled()
        if self.events.listeners:
            record = self.store.get(task_id)
            if record is not None:
                self.events.emit("cancelled", task_id, record.name, record.attempt)
        return True

    # -- start and stop -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers and loops. Harmless if they run. Raises EngineStopped when the process ends."""
        with self._lock:
            if self._started:
                return
            if self._final:
                raise EngineStopped(_ENDING)
            self._hurried = False
            self._threads = ThreadLane(self._work, self.settings.task_workers)
            self._loop = LoopLane(self._work, self.settings.task_async_limit)
            self._delays = Loop("hypern-delays", self.clock, self._release)
            self._loops = [self._delays, Loop("hypern-tidy", self.clock, self._tidy)]
            for loop in self._loops:
                loop.start()
            process.prepare_for_the_end()
            self._started = True
            self._wake()

    def stop(self, grace: float | None = None, *, final: bool = False) -> list[TaskRecord]:
        """Finish what runs and what is due within `grace` seconds (`task_grace_seconds` unless given),
        then end the workers and name in the log what is left, which is also returned.

        Delayed tasks are not waited for. `final`: the process ends, no start can follow.
        """
        grace = self.settings.task_grace_seconds if grace is None else grace
        with self._lock:
            if not self._started:
                self._final = self._final or final
                return []
            self.drain(grace)
            self._final = self._final or final
            # Before we look what is left: who adds a task after that finds that a start is needed.
            self._started = False
            abandoned = self.store.find({TaskStatus.PENDING, TaskStatus.RUNNING})
            self._end_workers()
            _name_abandoned(abandoned, grace)
            return abandoned

    def drain(self, grace: float | None = None) -> None:
        """Wait, at most `grace` seconds, until what runs and what is due has ended."""
        grace = self.settings.task_grace_seconds if grace is None else grace
        if not self._work.paused:
            self.wait_until(lambda: self._hurried or self.idle(), grace)

    def discard(self) -> None:
        """End the workers at once and without a word about what is left."""
        self.pause()
        with self._lock:
            if self._started:
                self._started = False
                self._end_workers()

    def hurry(self) -> None:
        """End the grace of a `stop` under way now."""
        self._hurried = True
        self._on_settled()

    def pause(self) -> None:
        """Start no further task; what runs goes on."""
        self._work.paused = True

    def resume(self) -> None:
        """Start tasks again."""
        self._work.paused = False
        if self._started:
            self._wake()

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until `condition()`, looked at again whenever a task ends. Whether it came true within
        `timeout` seconds."""
        with self._settled:
            self._watchers += 1
            try:
                return self._settled.wait_for(condition, timeout)
            finally:
                self._watchers -= 1

    def idle(self) -> bool:
        """Nothing runs and nothing is due."""
        return self.store.idle(self.clock.steady())

    def after_fork(self) -> None:
        """In a forked child: begin anew, empty. What the parent had queued stays the parent's."""
        if self._started:
            self._work.paused = True
            self._threads.leave_to_the_parent()
        self._reset()

    # -- what the store tells -----------------------------------------------------------------------

    def on_finished(self, record: TaskRecord, ending: Ending, recorded: bool) -> None:
        self._work.finished(record, record.attempt, ending, recorded)

    def on_ready(self, lanes: Collection[Lane]) -> None:
        if not self._started:
            return
        for lane in lanes:
            if lane is THREAD:
                self._threads.notify()
            else:
                self._loop.notify()

    def on_cancel_requested(self, task_ids: Collection[str]) -> None:
        for task_id in task_ids:
            self._interrupt(task_id)

    # -- inside -------------------------------------------------------------------------------------

    def _interrupt(self, task_id: str) -> None:
        if self._started:
            self._loop.interrupt(task_id)

    def _end_workers(self) -> None:
        ending = time.monotonic() + _ENDING_SECONDS
        self._work.deadlines.stop(ending)
        self._threads.stop()
        self._loop.stop()
        for loop in self._loops:
            loop.stop(ending)
        self._threads.join(ending)
        self._loop.join(ending)

    def _wake(self) -> None:
        self._threads.notify()
        self._loop.notify()

    def _on_settled(self) -> None:
        if self._watchers:
            with self._settled:
                self._settled.notify_all()

    def _on_delayed(self, due: float) -> None:
        self._delays.ring_before(due)

    def _release(self) -> float | None:
        self.on_ready(self.store.release(self.clock.steady(), self.clock.wall()))
        return self.store.next_due()

    def _tidy(self) -> float:
        self.store.prune(self.clock.wall())
        # No task waits for ever because a signal was handled between keeping it and waking its worker.
        if self._started and self._work.has_ready(THREAD):
            self._threads.wake()
        if self._started and self._work.has_ready(Lane.LOOP):
            self._loop.wake()
        return self.clock.steady() + _TIDY_EVERY


def _name_abandoned(abandoned: list[TaskRecord], grace: float) -> None:
    if not abandoned:
        return
    named = ", ".join(f"{record.name} {record.id} ({record.status})" for record in abandoned[:_NAMED])
    if len(abandoned) > _NAMED:
        rest = Counter(record.name for record in abandoned[_NAMED:])
        named += ", and " + ", ".join(f"{number} more of {name}" for name, number in rest.items())
    logger.warning(
        "%d background tasks were not finished when their engine stopped (grace %g s), and memory:// keeps "
        "nothing beyond this process: %s",
        len(abandoned), grace, named,
    )  # fmt: skip
