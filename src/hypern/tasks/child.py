"""The process of isolated tasks: it runs one after the other, as its engine orders, and reports."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, cast

import msgspec

from hypern.callables import is_async
from hypern.codec.calls import load_call_and_trail
from hypern.codec.naming import find_function
from hypern.codec.values import dumps
from hypern.errors import NotSerializable, TaskTooLarge
from hypern.eventloop import new_event_loop
from hypern.records import Cancelled, Completed, Failed, Lane, Outcome, Progress, Rules, TaskRecord, TaskSpec
from hypern.stores.base import Store
from hypern.tasks.channel import (
    LIMIT,
    Begun,
    Channel,
    Ended,
    Order,
    Reached,
    Run,
    Stop,
    become_child,
    importing,
)
from hypern.tasks.companions import NOBODY, Companions, Follower
from hypern.tasks.declare import Task
from hypern.tasks.failure import failure
from hypern.tasks.run import run_coroutine, run_plain
from hypern.tasks.runtime import current_engine, known_engine

_NOBODY_LEFT = 1


def main(connection: int, lifeline: int, argv: list[str]) -> None:
    """Run what is ordered on the socket `connection` until told to leave. `lifeline`: the end of a pipe that
    the engine's process holds open as long as it lives."""
    sys.argv[:] = argv
    become_child()
    _die_with_the_parent(lifeline)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)  # what was printed is out when the process is killed
    os.set_inheritable(connection, False)
    Child(socket.socket(fileno=connection)).serve()


def _die_with_the_parent(lifeline: int) -> None:
    """Have the kernel kill this process and those it started when nobody holds the pipe's other end, even
    if no Python code can run then: a thread that waits needs the interpreter, which C code may keep."""
    os.set_inheritable(lifeline, False)
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # it ended before this was set up
        os._exit(_NOBODY_LEFT)


class _Reporter:
    """What a running task takes for its store: it passes on how far the task is."""

    def __init__(self, channel: Channel[Order]) -> None:
        self._channel = channel
        self.run_on: TaskRecord | None = None

    def report(self, record: TaskRecord, fence: int, progress: Progress) -> bool:
        if record is not self.run_on:  # said by a thread that an earlier task has left behind
            return False
        self._channel.send(Reached(progress.fraction, progress.message))
        return True


class Child:
    """The main thread runs, so that signals and event loops are as usual; another one listens."""

    def __init__(self, connection: socket.socket) -> None:
        self._channel: Channel[Order] = Channel(connection, msgspec.msgpack.Decoder(Order))
        self._reporter = _Reporter(self._channel)
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._number = 0
        self._record: TaskRecord | None = None
        self._interrupt: Callable[[], None] | None = None
        self._stopped = 0

    def serve(self) -> None:
        threading.Thread(target=self._listen, name="hypern-orders", daemon=True).start()
        while (run := self._runs.get()) is not None:
            ended = self._run(run)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError, AttributeError):  # gone, closed, replaced
                    stream.flush()
            self._channel.send(ended)

    def _listen(self) -> None:
        while (order := self._channel.receive()) is not None:
            if isinstance(order, Run):
                self._runs.put(order)
            elif isinstance(order, Stop):
                self._ask_to_stop(order.number)
            else:
                self._runs.put(None)
                return
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def _run(self, run: Run) -> Ended:
        try:
            record = _record(run)
        except BaseException as exception:
            return _ended(failure(exception))
        with self._lock:
            self._number, self._record, self._interrupt = run.number, record, None
            record.cancel_requested = self._stopped == run.number
        self._reporter.run_on = record
        self._channel.send(Begun())
        store = cast(Store, self._reporter)
        companions = _companions(record)
        if is_async(record.spec.target):
            outcome = self._run_loop(record, store, companions)
        else:
            outcome = run_plain(record, store, companions)
        self._reporter.run_on = None
        with self._lock:
            self._record = self._interrupt = None
        return _ended(outcome)

    def _run_loop(self, record: TaskRecord, store: Store, companions: Companions) -> Outcome:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                return runner.run(self._await(record, store, companions))
        except BaseException as exception:  # from what the coroutine left behind on its loop
            return failure(exception)

    async def _await(self, record: TaskRecord, store: Store, companions: Companions) -> Outcome:
        loop = asyncio.get_running_loop()
        task = loop.create_task(run_coroutine(record, store, companions))

        def interrupt() -> None:
            # In the next turn: cancelled before its first step, a coroutine could never say how it ended.
            loop.call_soon_threadsafe(lambda: loop.call_soon(task.cancel))

        with self._lock:
            self._interrupt = interrupt
            if record.cancel_requested:
                interrupt()
        return await task

    def _ask_to_stop(self, number: int) -> None:
        with self._lock:
            self._stopped = number
            if self._record is None or self._number != number:
                return
            self._record.cancel_requested = True
            if self._interrupt is not None:
                self._interrupt()


def _record(run: Run) -> TaskRecord:
    with importing():
        found = find_function(run.path)
    target = found.func if isinstance(found, Task) else found
    args, kwargs, trail = load_call_and_trail(run.call)
    spec = TaskSpec.of(run.name, found, target, Lane.THREAD, Rules())
    return TaskRecord(run.task_id, spec, args, kwargs, 0.0, None, None, 0.0, attempt=run.attempt, trail=trail)


def _companions(record: TaskRecord) -> Companions:
    """Of the engine that the task belongs to, if its module has made one here: they follow it."""
    task = record.spec.func
    engine = known_engine()
    if isinstance(task, Task) and task.engine is not current_engine:
        engine = task.engine()
    if engine is None or not engine.companions.members:
        return NOBODY
    companions = Companions()
    companions.add(Follower(engine.companions))
    return companions


def _ended(outcome: Outcome) -> Ended:
    match outcome:
        case Completed(value, omitted):
            return _completed(value, omitted)
        case Failed():
            return Ended(failed=outcome)
        case Cancelled():
            return Ended(cancelled=outcome)
        case _:
            return Ended(wanted=outcome)


def _completed(value: Any, omitted: str | None) -> Ended:
    if omitted is not None:
        return Ended(omitted=omitted)
    try:
        return Ended(value=dumps(value, limit=LIMIT))
    except (NotSerializable, TaskTooLarge) as error:
        return Ended(omitted=str(error))
