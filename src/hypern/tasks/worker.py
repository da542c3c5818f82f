"""Work: the page where the middle of the way is visible. Claim → run → finish, on threads and on a loop."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context
from functools import partial

from hypern import threads
from hypern.clock import Clock
from hypern.errors import QueueUnavailable
from hypern.eventloop import new_event_loop
from hypern.events import Events
from hypern.records import Again, Cancelled, Completed, Ending, Failed, Lane, Outcome, TaskRecord
from hypern.stores.base import EXPIRED, Store
from hypern.tasks.companions import NOBODY, Companions, attended
from hypern.tasks.deadlines import Deadline, Deadlines
from hypern.tasks.failure import failure
from hypern.tasks.finish import decide, log_failure
from hypern.tasks.isolated import Final, Isolated
from hypern.tasks.run import own_context, run_coroutine, run_plain
from hypern.threads import Crew

logger = logging.getLogger("hypern.tasks")

THREAD, LOOP = Lane.THREAD, Lane.LOOP

_CANCELLED_KIND = "asyncio.exceptions:CancelledError"
_TIMEOUT_KINDS = ("builtins:TimeoutError", "builtins:OSError", "builtins:Exception", "builtins:BaseException")

# So many coroutine tasks are started in one turn of the loop before the others get theirs.
_STARTED_AT_ONCE = 200
# A task that could not be started for trouble of the store is tried again after so long (seconds).
_AFTER_TROUBLE = 1.0


class Work:
    """What both lanes share: where tasks come from, where outcomes go, and whether taking is allowed.

    `settled()` is called after each attempt, `delayed(due)` when there will be another one at `due`.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        events: Events,
        settled: Callable[[], None],
        delayed: Callable[[float], None],
        companions: Companions = NOBODY,
    ) -> None:
        self.store = store
        self.companions = companions
        self.paused = False
        self.deadlines = Deadlines(clock)
        self._clock = clock
        self._events = events
        self._settled = settled
        self._delayed = delayed

    def claim(self, lane: Lane) -> TaskRecord | None:
        while not self.paused:
            try:
                record = self.store.claim(lane, self._clock.wall())
            except Exception:
                # The thread must live on; it looks again when there is news.
                logger.exception("no task can be claimed")
                return None
            if record is None:
                return None
            if record.expires_at is not None and self._is_too_late(record):
                continue
            if record.spec.rules.rate is not None and not self._admit(record):
                continue
            if self._events.listeners:
                self._events.emit("started", record.id, record.name, record.attempt)
            return record
        return None

    def _admit(self, record: TaskRecord) -> bool:
        try:
            if self.store.admit(record, record.fence, self._clock.steady(), self._clock.wall()):
                return True
        except Exception as error:
            # Never left RUNNING: it comes back when the store has recovered.
            logger.exception("task %s %s cannot be started now", record.name, record.id)
            due = self._clock.steady() + _AFTER_TROUBLE
            again = Again(f"it could not be started: {error}", None, due, counts=False)
            self.end(record, record.fence, record.attempt, again)
            return False
        if record.due is not None:
            self._delayed(record.due)
        return False

    def _is_too_late(self, record: TaskRecord) -> bool:
        """It has expired, and was claimed before the store came to cancel it."""
        if record.attempt > 1 or record.expires_at is None or self._clock.steady() < record.expires_at:
            return False
        self.finish(record, record.fence, record.attempt, Cancelled(EXPIRED))
        return True

    def has_ready(self, lane: Lane) -> bool:
        return not self.paused and self.store.has_ready(lane)

    def finish(self, record: TaskRecord, fence: int, attempt: int, outcome: Outcome) -> None:
        clock = self._clock
        ending = outcome if type(outcome) is Completed else decide(record, outcome, clock.steady())
        recorded = self.store.finish(record, fence, ending, clock.wall())
        if recorded is not None:
            self.finished(record, attempt, ending, recorded)

    def end(self, record: TaskRecord, fence: int, attempt: int, ending: Ending) -> None:
        """As `finish`, whatever the rules say about another attempt."""
        recorded = self.store.finish(record, fence, ending, self._clock.wall())
        if recorded is not None:
            self.finished(record, attempt, ending, recorded)

    def finished(self, record: TaskRecord, attempt: int, ending: Ending, recorded: bool) -> None:
        """The store has recorded an ending, or refused it."""
        self._settled()
        if not recorded:
            return
        if type(ending) is not Completed:
            if isinstance(ending, Again):
                self._delayed(ending.due)
                if record.cancel_requested:
                    # It was asked to stop when it had been decided already that it runs again.
                    self._cancel_again(record)
            if isinstance(ending, (Failed, Again)):
                log_failure(record, attempt, ending)
        if self.companions.members:
            self.companions.settled(record, attempt, ending)
        if self._events.listeners:
            again = isinstance(ending, Again)
            self._events.emit("retried" if again else "finished", record.id, record.name, attempt)

    def _cancel_again(self, record: TaskRecord) -> None:
        try:
            self.store.cancel(record.id, self._clock.wall())
        except QueueUnavailable as error:
            # The store knows that it was asked to stop, and does not start it.
            logger.error("task %s %s is cancelled when its time comes: %s", record.name, record.id, error)

    def set_deadline(self, record: TaskRecord, give_up: Callable[[], None]) -> Deadline | None:
        """Where its rules have a `timeout`: end this attempt then, and call `give_up()` about what runs."""
        timeout = record.spec.rules.timeout
        if timeout is None:
            return None
        fence, attempt = record.fence, record.attempt

        def expire() -> None:
            error = f"TimeoutError: the attempt took longer than its timeout of {timeout:g} s"
            # Before anybody can see it and let the function return.
            self.companions.overdue(record, attempt, error)
            self.finish(record, fence, attempt, Failed(error, error, _TIMEOUT_KINDS))
            give_up()

        return self.deadlines.set(timeout, expire)


class ThreadLane:
    """Plain functions, each on one of `size` threads; isolated tasks, each in a process that one of them
    attends to."""

    def __init__(self, work: Work, size: int) -> None:
        self._work = work
        self._isolated = Isolated(work.store, work.deadlines)
        self.interrupt = self._isolated.interrupt
        self.tidy = self._isolated.tidy
        self._crew: Crew[TaskRecord] = Crew(
            "hypern-task", size, partial(work.claim, THREAD), self._do, partial(work.has_ready, THREAD)
        )
        self.fill = self._crew.fill
        self.notify = self._crew.notify
        self.wake = self._crew.wake

    def stop(self) -> None:
        """Start nothing more; end the processes of isolated tasks."""
        self._crew.stop()
        self._isolated.stop()

    def join(self, deadline: float) -> bool:
        """Wait until `deadline` (of `time.monotonic`) for the threads to end. Whether all did."""
        return self._crew.join(deadline)

    def leave_to_the_parent(self) -> None:
        """In a forked child: should it be one of our threads that forked, it does no more of this work."""
        self._crew.leave()

    def _do(self, record: TaskRecord) -> None:
        if record.spec.rules.isolate:
            self._do_isolated(record)
            return
        fence, attempt = record.fence, record.attempt
        work = self._work
        deadline = work.set_deadline(record, self._crew.replacement()) if record.spec.rules.timeout else None
        outcome = run_plain(record, work.store, work.companions)
        if deadline is not None:
            deadline.met()
        try:
            work.finish(record, fence, attempt, outcome)
        except BaseException:
            # A trace function that the task has left behind raises in whatever is called next.
            sys.settrace(None)
            sys.setprofile(None)
            work.finish(record, fence, attempt, outcome)

    def _do_isolated(self, record: TaskRecord) -> None:
        fence, attempt = record.fence, record.attempt
        work = self._work
        run = partial(self._isolated.run, record, partial(work.set_deadline, record))
        if work.companions.members:
            outcome = attended(
                work.companions, record, own_context(record), lambda: run(work.companions.trail())
            )
        else:
            outcome = run()
        if isinstance(outcome, Final):
            work.end(record, fence, attempt, outcome.failed)
        elif outcome is not None:
            work.finish(record, fence, attempt, outcome)


class LoopLane:
    """Coroutine functions, up to `limit` of them together on one event loop of their own."""

    def __init__(self, work: Work, limit: int) -> None:
        self._work = work
        self._limit = limit
        self._running: dict[str, asyncio.Task[None]] = {}
        self._pumping = False
        self._stopping = False
        self._loop = new_event_loop()
        if not threads.STARTS_LATE:
            self._loop.set_default_executor(threads.full_executor())
        self._thread = threading.Thread(target=self._serve, name="hypern-task-loop", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There is new work. May be called from any thread."""
        if not self._pumping:
            self._pumping = True
            self._tell(self._pump)

    def wake(self) -> None:
        """As `notify`, also if that is thought to be under way."""
        self._tell(self._pump)

    def interrupt(self, task_id: str) -> None:
        """Raise CancelledError in a running task. May be called from any thread."""
        self._tell(self._interrupt, task_id)

    def stop(self) -> None:
        """Start nothing more, cancel what still runs."""
        self._stopping = True
        self._tell(self._loop.stop)

    def join(self, deadline: float) -> bool:
        """Wait until `deadline` (of `time.monotonic`) for what runs to end, and the loop with it. Whether
        they did."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            # Not in the context of who calls: what it does, it does for all tasks.
            self._loop.call_soon_threadsafe(callback, *args, context=Context())
        except RuntimeError:  # the loop has been closed meanwhile, and nothing runs on it
            return

    def _pump(self) -> None:
        self._pumping = False
        if self._stopping:
            return
        for _ in range(_STARTED_AT_ONCE):
            if len(self._running) >= self._limit:
                return  # the next one to end looks for more
            record = self._work.claim(LOOP)
            if record is None:
                return
            task = self._loop.create_task(
                self._run(record, record.fence, record.attempt), context=own_context(record)
            )
            self._running[record.id] = task
            if record.spec.rules.timeout is not None:
                self._set_deadline(record, task)
        self.notify()

    async def _run(self, record: TaskRecord, fence: int, attempt: int) -> None:
        try:
            outcome = await run_coroutine(record, self._work.store, self._work.companions)
        except GeneratorExit as exception:
            # From something that the coroutine awaited: Python closes every coroutine up to this one.
            outcome = failure(exception)
        if record.spec.rules.timeout is None or self._running.get(record.id) is asyncio.current_task():
            del self._running[record.id]
        if not self._was_stopped(outcome):
            self._work.finish(record, fence, attempt, outcome)
        if self._work.has_ready(LOOP):
            self.notify()

    def _was_stopped(self, outcome: Outcome) -> bool:
        """Whether it ended because this engine ends, and another process can run it again."""
        return (
            self._stopping
            and self._work.store.shared
            and isinstance(outcome, Failed)
            and _CANCELLED_KIND in outcome.kinds
        )

    def _set_deadline(self, record: TaskRecord, task: asyncio.Task[None]) -> None:
        deadline = self._work.set_deadline(record, lambda: self._tell(self._give_up, record.id, task))
        if deadline is not None:
            task.add_done_callback(lambda _: deadline.met())

    def _give_up(self, task_id: str, task: asyncio.Task[None]) -> None:
        # Its place is free for others, and for its own next attempt, even if it ignores being cancelled.
        if self._running.get(task_id) is task:
            del self._running[task_id]
            if self._work.has_ready(LOOP):
                self.notify()
        self._loop.call_soon(task.cancel)

    def _interrupt(self, task_id: str) -> None:
        task = self._running.get(task_id)
        if task is not None:
            # In the next turn: cancelled before its first step, a coroutine could never say how it ended.
            self._loop.call_soon(task.cancel)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._stopping:
            try:
                self._loop.run_forever()
            except BaseException as error:
                # SystemExit and KeyboardInterrupt, from an asyncio task or callback that a task has left.
                _complain(error)
        self._close()

    def _close(self) -> None:
        loop = self._loop
        # One turn, in which those that have been claimed make their first step.
        loop.run_until_complete(asyncio.sleep(0))
        remaining = asyncio.all_tasks(loop)
        for task in remaining:
            task.cancel()
        if remaining:
            loop.run_until_complete(asyncio.wait(remaining, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _complain(error: BaseException) -> None:
    try:
        logger.error(
            "a background task tried to end the event loop of all of them; it goes on", exc_info=error
        )
    except BaseException:
        # A logging handler that is broken as well must not end it either.
        return
