"""The engine: one store, the workers on it and the loops beside them; started lazily, stopped in order."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection

from hypern import threads
from hypern.clock import Clock, SystemClock
from hypern.config import Settings
from hypern.errors import EngineStopped
from hypern.events import Events
from hypern.loops import Loop
from hypern.records import Ending, Lane, TaskRecord, TaskStatus
from hypern.stores.base import Cancellation, Store
from hypern.stores.opening import open_late, open_store
from hypern.tasks import process, ticking
from hypern.tasks.accepting import Accepting, why_final
from hypern.tasks.changes import Changes
from hypern.tasks.channel import is_child
from hypern.tasks.companions import Companions
from hypern.tasks.ids import is_possible_id
from hypern.tasks.logs import TaskLog
from hypern.tasks.unfinished import name_abandoned, name_given_back
from hypern.tasks.worker import LoopLane, ThreadLane, Work

logger = logging.getLogger("hypern.tasks")

THREAD = Lane.THREAD

_TIDY_EVERY = 2.0
# How often to look whether other processes have done what is waited for (seconds).
_LOOK_EVERY = 0.05
# After the grace is over: how long threads may take to see that they are to end.
_ENDING_SECONDS = 1.0


class Engine(Accepting):
    """Runs the tasks of one store. Nothing is started before the first task is submitted.

    `stop` may be followed by another start, by the next task: an id that was returned is an id that the
    engine answers for. Only the end of the process is final.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock() if clock is None else clock
        self.events = Events()
        self.companions = Companions()
        self._machine = SystemClock()
        self._reset()
        process.look_after(self)

    def _reset(self, late: bool = False) -> None:
        self._lock = threading.RLock()
        self._settled = threading.Condition()
        self._watchers = 0
        self._hurried = False
        self._started = False
        # A stop has come so far that nothing is started any more, and a task has come since.
        self._is_stopping = self._starts_again = False
        self.store: Store = (
            open_late(self.settings, self.clock) if late else open_store(self.settings, self.clock)
        )
        self._final = process.is_ending() or (is_child() and not self.store.shared)
        if process.starts_no_threads():
            self.stay_stopped()
        self.store.attach(self)
        self.changes = Changes(self.store)
        self._work = Work(
            self.store, self.clock, self.events, self._on_settled, self._on_delayed, self.companions
        )
        self._threads: ThreadLane
        self._loop: LoopLane
        self._loops: list[Loop] = []
        self._delays: Loop
        level = self.settings.task_log_level
        self._log = None if level is None else TaskLog(self.store, level)

    # -- the way of a task --------------------------------------------------------------------------

    def _accepted(self, record: TaskRecord) -> None:
        if not self._started:
            if is_child() or not self.settings.task_workers:
                return  # the store has it, for the processes that run tasks
            if not self._start_for_tasks():
                return
        if record.due is not None:
            self._on_delayed(record.due)
        elif record.spec.lane is THREAD:
            self._threads.notify()
        else:
            self._loop.notify()
        if record.expires_at is not None:
            self._on_delayed(record.expires_at)
        if not self._started:  # it was stopped meanwhile, perhaps before that word got through
            self._start_for_tasks()

    async def get_async(self, task_id: str) -> TaskRecord | None:
        """What the store says of a task, for an event loop that a store's disk must not hold up."""
        if not self.store.shared:
            return self.store.get(task_id)
        return await asyncio.to_thread(self.store.get, task_id)

    def cancel(self, task_id: object) -> bool:
        """Cancel a waiting task, ask a running one to stop. False: unknown, no id at all, or ended."""
        if not is_possible_id(task_id):
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
            if self._final or is_child():
                raise EngineStopped(why_final())
            if self.settings.task_workers == 0:
                return
            self._hurried = self._starts_again = False
            self.store.serve(self.settings.task_workers, self.settings.task_queues)
            self._threads = ThreadLane(self._work, self.settings.task_workers)
            self._loop = LoopLane(self._work, self.settings.task_async_limit)
            self._delays = Loop("hypern-delays", self.clock, self._release)
            self._loops = [self._delays, Loop("hypern-tidy", self.clock, self._tidy)]
            if self.store.shared:
                # What others do happens on the machine's clock, whatever that of this engine is.
                self._loops.append(Loop("hypern-watch", self._machine, self._watch))
            for loop in self._loops:
                loop.start()
            if not threads.STARTS_LATE:
                self._threads.fill()
                self._work.deadlines.begin()
                self.changes.begin()
            if self._log is not None:
                self._log.begin()
            ticking.begin(self, self._loops)
            process.prepare_for_the_end()
            self._started = True
            self._wake()

    def _start_for_tasks(self) -> bool:
        # Who submits does not wait for a stop that is under way: it may wait for him, where he is told of an
        # ending, and submits then.
        if self._final:
            raise EngineStopped(why_final())
        if self._is_stopping:
            self._starts_again = True
            if self._is_stopping:
                return False
        self.start()
        return True

    def stop(self, grace: float | None = None, *, final: bool = False) -> list[TaskRecord]:
        """Finish what runs and what is due within `grace` seconds (`task_grace_seconds` unless given),
        then end the workers and name in the log what is left, which is also returned.

        Delayed tasks are not waited for. Where others share the store, what is due but has not been started
        is left to them, unless the process ends with its program (`final`): it may be the only one.
        `final`: no start can follow.
        """
        grace = self.settings.task_grace_seconds if grace is None else grace
        with self._lock:
            try:
                abandoned = self._stop(grace, final) if self._started else []
            finally:
                self._is_stopping = False
            self._final = self._final or final
            if process.starts_no_threads():
                self.stay_stopped()
            self.changes.stop(final=final)
            if final:
                self.store.close()
            elif self._starts_again and not self._final:
                self.start()
            return abandoned

    def stay_stopped(self) -> None:
        """No threads can be started any more: take no task for which that would have to be done."""
        if not self._started and self.settings.task_workers and not is_child():
            self._final = True

    def _stop(self, grace: float, final: bool) -> list[TaskRecord]:
        ticking.end(self._loops)
        if final or not self.store.shared:
            self.drain(grace)
            return self._end(grace, final)
        was_paused = self._work.paused
        try:
            self._finish_running(grace)
            return self._end(grace, final)
        finally:
            # Not before the workers have ended: they would begin something else.
            self._work.paused = was_paused

    def _end(self, grace: float, final: bool) -> list[TaskRecord]:
        """End the workers; what is left."""
        self._final = self._final or final
        self._is_stopping = True
        # Before we look what is left: who adds a task after that finds that a start is needed.
        self._started = False
        if self.store.shared:
            still_running = self._end_workers()
            self.store.flush()
            left = self.store.give_back(still_running)
            name_given_back(left, grace)
        else:
            left = self.store.find({TaskStatus.PENDING, TaskStatus.RUNNING})
            self._end_workers()
            name_abandoned(left, grace)
        return left

    def _finish_running(self, grace: float) -> None:
        """Start nothing more, and wait at most `grace` seconds for what runs."""
        self.pause()
        self.store.let_go()
        self.wait_until(lambda: self._hurried or not self.store.is_busy(), grace)

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
                ticking.end(self._loops)
                self._started = False
                self._end_workers()
            self.changes.stop(final=True)
            self.store.close()

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
        deadline = time.monotonic() + timeout
        # What other processes do wakes nobody here.
        patience = _LOOK_EVERY if self.store.shared else timeout
        with self._settled:
            self._watchers += 1
            try:
                return self._see_come_true(condition, deadline, patience)
            finally:
                self._watchers -= 1

    def _see_come_true(self, condition: Callable[[], bool], deadline: float, patience: float) -> bool:
        # Not within the `with` of `wait_until`: on Python 3.12 and 3.13 a signal handler that raises at the
        # end of a `while` would leave the lock taken (python/cpython#130279).
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._settled.wait(min(left, patience))
        return True

    @property
    def is_started(self) -> bool:
        return self._started

    @property
    def is_paused(self) -> bool:
        return self._work.paused

    def idle(self) -> bool:
        """Nothing runs and nothing is due."""
        return self.store.idle(self.clock.steady())

    def after_fork(self) -> None:
        """In a forked child: begin anew, empty. What the parent had queued stays the parent's."""
        if self._started:
            self._work.paused = True
            self._threads.leave_to_the_parent()
        self.store.leave_to_the_parent()
        self._reset(late=self.store.shared)

    # -- what the store tells -----------------------------------------------------------------------

    def on_finished(self, record: TaskRecord, ending: Ending, recorded: bool) -> None:
        self._work.finished(record, record.attempt, ending, recorded)

    def on_ready(self, lanes: Collection[Lane]) -> None:
        self._on_settled()
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

    def on_due(self, moment: float) -> None:
        if self._started:
            self._on_delayed(moment)

    # -- inside -------------------------------------------------------------------------------------

    def _interrupt(self, task_id: str) -> None:
        if self._started:
            self._loop.interrupt(task_id)
            self._threads.interrupt(task_id)

    def _end_workers(self) -> set[Lane]:
        """The lanes that have not ended: a function runs on."""
        ending = time.monotonic() + _ENDING_SECONDS
        if self._log is not None:
            self._log.end()
        self._work.deadlines.stop(ending)
        self._threads.stop()
        self._loop.stop()
        for loop in self._loops:
            loop.stop(ending)
        ended = {Lane.THREAD: self._threads.join(ending), Lane.LOOP: self._loop.join(ending)}
        return {lane for lane, has_ended in ended.items() if not has_ended}

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

    def _watch(self) -> float | None:
        return self.store.watch(self._machine.steady(), self._machine.wall())

    def _tidy(self) -> float:
        self.store.prune(self.clock.wall())
        if self._started:
            self._threads.tidy()
            ticking.begin(self, self._loops)
        # No task waits for ever because a signal was handled between keeping it and waking its worker.
        if self._started and self._work.has_ready(THREAD):
            self._threads.wake()
        if self._started and self._work.has_ready(Lane.LOOP):
            self._loop.wake()
        return self.clock.steady() + _TIDY_EVERY
