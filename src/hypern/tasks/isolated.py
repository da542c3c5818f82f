"""Isolated tasks: each runs in a process beside this one, which is killed when it has to end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import msgspec

from hypern.codec.calls import dump_call
from hypern.codec.naming import function_path
from hypern.codec.values import loads
from hypern.errors import CorruptData, TaskError
from hypern.records import Cancelled, Completed, Failed, Outcome, Progress, TaskRecord
from hypern.stores.base import Store
from hypern.tasks.channel import LIMIT, Begun, Ended, Reached, Run, Stop
from hypern.tasks.deadlines import Deadline, Deadlines
from hypern.tasks.failure import failure
from hypern.tasks.kept import KeptProcess

SetDeadline = Callable[[Callable[[], None]], Deadline | None]

# After being asked to stop: so many seconds until it is killed.
GRACE = 1.0
# Python may take so many seconds to start, and to import what the task needs.
_START_SECONDS = 60.0
# After so many tasks a process has done enough: whatever they leave behind in it does not add up.
_RUNS = 100
# A process that had nothing to do for so many seconds ends.
_IDLE_SECONDS = 60.0

_LOST_KINDS = ("builtins:Exception", "builtins:BaseException")


class Final(msgspec.Struct, frozen=True):
    """The attempt failed, and there is to be no other one, whatever the rules say about retries."""

    failed: Failed


class _Attempt:
    """One run in a child: what has been asked of it so far."""

    def __init__(self, record: TaskRecord, child: KeptProcess) -> None:
        self.record = record
        self.child = child
        self.has_begun = False
        self.is_asked = False
        self.killed: Cancelled | Failed | None = None
        """What became of the task if we have killed its process."""
        self.deadlines: list[Deadline] = []

    def patience(self) -> float | None:
        """For how many seconds it may say nothing."""
        return None if self.has_begun else _START_SECONDS


class Isolated:
    """The processes of one engine, one for each worker that runs an isolated task. One that has done its
    task is kept for the next; one in which an attempt has failed is not."""

    def __init__(self, store: Store, deadlines: Deadlines) -> None:
        self._store = store
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._idle: list[KeptProcess] = []
        self._attempts: dict[str, _Attempt] = {}
        self._stopped = False

    def run(
        self, record: TaskRecord, set_deadline: SetDeadline, trail: dict[str, str] | None = None
    ) -> Outcome | Final | None:
        """Run a claimed task in a process. `set_deadline(kill)` is called when its function is called.
        `trail`: what leads there from here.

        None: it was killed because the engine stops, and the store gives such tasks to other processes.
        """
        try:
            path = function_path(record.spec.func)
            call = dump_call(record.args, record.kwargs, LIMIT, trail)
        except TaskError as error:  # they have been changed since they were submitted
            return failure(error)
        while True:
            try:
                child = self._take()
            except OSError as error:
                return _lost(f"no process could be started for it: {error}")
            attempt = _Attempt(record, child)
            outcome = self._attend(attempt, path, call, set_deadline)
            self._put_back(child, attempt, outcome)
            if outcome is not None:
                return outcome
            if attempt.killed is None and child.runs > 1 and not attempt.has_begun:
                continue  # it had ended while it was idle
            return self._how_it_died(attempt)

    def interrupt(self, task_id: str) -> None:
        """Ask a running task to stop, and kill its process if it does not within `GRACE` seconds."""
        with self._lock:
            attempt = self._attempts.get(task_id)
            if attempt is not None:
                self._ask(attempt)

    def tidy(self) -> None:
        """End processes that have had nothing to do for long."""
        before = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            leaving = [child for child in self._idle if child.idle_since < before or child.has_ended()]
            self._idle = [child for child in self._idle if child not in leaving]
        for child in leaving:
            child.leave()

    def stop(self) -> None:
        """End every process, whatever it does."""
        with self._lock:
            self._stopped = True
            leaving, self._idle = self._idle, []
            for attempt in self._attempts.values():
                self._kill(attempt, _STOPPED)
        for child in leaving:
            child.kill()
            child.leave()

    # -- inside -------------------------------------------------------------------------------------

    def _take(self) -> KeptProcess:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if not child.has_ended():
                    return child
                child.leave()
        return KeptProcess()

    def _put_back(self, child: KeptProcess, attempt: _Attempt, outcome: Outcome | None) -> None:
        child.runs += 1
        fit = outcome is not None and not isinstance(outcome, Failed) and attempt.killed is None
        with self._lock:
            if fit and not self._stopped and child.runs < _RUNS:
                child.idle_since = time.monotonic()
                self._idle.append(child)
                return
        child.leave()

    def _attend(
        self,
        attempt: _Attempt,
        path: str,
        call: bytes,
        set_deadline: SetDeadline,
    ) -> Outcome | None:
        """Have the child run it and listen to what it says. None: the process has ended."""
        record, child = attempt.record, attempt.child
        fence = record.fence
        with self._lock:
            self._attempts[record.id] = attempt
            if self._stopped:
                self._kill(attempt, _STOPPED)
        try:
            child.channel.send(Run(child.runs + 1, path, call, record.id, record.name, record.attempt))
            while (report := child.channel.receive(attempt.patience())) is not None:
                match report:
                    case Begun():
                        self._begun(attempt, set_deadline)
                    case Reached(fraction, message):
                        self._store.report(record, fence, Progress(fraction, message))
                    case Ended():
                        return _outcome(report)
        except TimeoutError:
            with self._lock:
                self._kill(attempt, _lost(f"it was not ready to begin within {_START_SECONDS:g} s"))
        except OSError:
            return None
        finally:
            with self._lock:
                for deadline in attempt.deadlines:
                    deadline.met()
                if self._attempts.get(record.id) is attempt:
                    del self._attempts[record.id]
        return None

    def _begun(self, attempt: _Attempt, set_deadline: SetDeadline) -> None:
        def kill() -> None:
            with self._lock:
                self._kill(attempt, _lost("its time was up"))

        deadline = set_deadline(kill)
        with self._lock:
            if deadline is not None:
                attempt.deadlines.append(deadline)
            attempt.has_begun = True
            if attempt.is_asked:
                self._tell(attempt)
            elif attempt.record.cancel_requested:
                self._ask(attempt)

    # With the lock held:

    def _ask(self, attempt: _Attempt) -> None:
        if attempt.is_asked:
            return
        attempt.is_asked = True

        def kill() -> None:
            with self._lock:
                self._kill(attempt, Cancelled())

        attempt.deadlines.append(self._deadlines.set(GRACE, kill))
        if attempt.has_begun:
            self._tell(attempt)

    def _tell(self, attempt: _Attempt) -> None:
        with contextlib.suppress(OSError):
            attempt.child.channel.send(Stop(attempt.child.runs + 1))

    def _kill(self, attempt: _Attempt, outcome: Cancelled | Failed) -> None:
        if attempt.killed is None and self._attempts.get(attempt.record.id) is attempt:
            attempt.killed = outcome
            attempt.child.kill()

    def _how_it_died(self, attempt: _Attempt) -> Outcome | Final | None:
        if attempt.killed is _STOPPED:
            return None if self._store.shared else Final(_STOPPED)
        if attempt.killed is not None:
            return attempt.killed
        failed = _lost(attempt.child.how_it_ended())
        return Final(failed) if attempt.record.spec.rules.on_crash == "fail" else failed


def _lost(why: str) -> Failed:
    error = f"WorkerLost: {why}"
    return Failed(error, error, _LOST_KINDS)


_STOPPED = _lost("its process was ended with the engine")


def _outcome(ended: Ended) -> Outcome:
    outcome = ended.failed or ended.cancelled or ended.wanted
    if outcome is not None:
        return outcome
    if ended.value is None:
        return Completed(None, ended.omitted)
    try:
        return Completed(loads(ended.value))
    except CorruptData as error:
        return Completed(None, str(error))
