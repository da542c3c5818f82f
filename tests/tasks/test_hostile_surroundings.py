"""Broken surroundings: log handlers, tracers, descriptors and settings of the process that tasks share."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate
from tests.tasks.script import Script

from hypern import background, submit_task
from hypern.clock import ManualClock

# Waits until these tasks have ended, in a program of its own.
WAITING = """
from hypern.tasks.runtime import current_engine
def wait(*ids):
    assert current_engine().wait_until(lambda: all(get_task(i).is_done() for i in ids), 10)
    return [get_task(i).status.name for i in ids]
"""


def fails() -> None:
    raise ValueError("for the log")


async def fails_async() -> None:
    raise ValueError("for the log")


async def nothing() -> None:
    pass


# -- logging ----------------------------------------------------------------------------------------


class Handler(logging.Handler):
    """Does with every line what it is told to."""

    def __init__(self, emit: Callable[[logging.LogRecord], Any]) -> None:
        super().__init__()
        self.emit = emit  # type: ignore[method-assign]


@pytest.fixture
def log_to() -> Iterator[Callable[..., None]]:
    """Add a handler or filter to the tasks' logger for this test."""
    logger = logging.getLogger("hypern.tasks")
    handlers, filters = list(logger.handlers), list(logger.filters)

    def add(emit: Callable[[logging.LogRecord], Any], *, as_filter: bool = False) -> None:
        if as_filter:
            logger.addFilter(emit)
        else:
            logger.addHandler(Handler(emit))

    yield add
    logger.handlers, logger.filters = handlers, filters


@pytest.mark.parametrize("task", [fails, fails_async])
@pytest.mark.parametrize("kind", [OSError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("as_filter", [False, True], ids=["handler", "filter"])
def test_a_logging_handler_that_raises(
    use: Any,
    log_to: Callable[..., None],
    task: Callable[[], Any],
    kind: type[BaseException],
    as_filter: bool,
) -> None:
    """The failure is recorded all the same, and the only worker, or the loop, goes on."""
    engine = use(task_workers=1)
    asked = threading.Semaphore(0)

    def raises(record: logging.LogRecord) -> None:
        asked.release()
        raise kind("from the log")

    log_to(raises, as_filter=as_filter)
    for _ in range(3):
        result = engine.one(submit_task(task))
        assert (result.is_failed(), result.error) == (True, "ValueError: for the log")
        assert asked.acquire(timeout=WAIT)
    assert all(result.is_success() for result in engine.done(submit_task(int), submit_task(nothing)))


def test_a_logging_handler_that_raises_at_a_retry(use: Any, log_to: Callable[..., None]) -> None:
    """The next attempts are made."""
    clock = ManualClock()
    engine = use(clock, task_workers=1)
    attempts: list[int] = []
    asked = threading.Semaphore(0)

    def raises(record: logging.LogRecord) -> None:
        asked.release()
        raise OSError("from the log")

    def fails_twice() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError

    log_to(raises)
    task_id = submit_task(fails_twice, retries=5)
    for _ in range(2):
        assert asked.acquire(timeout=WAIT)
        clock.advance(60)
    assert engine.one(task_id).is_success()
    assert len(attempts) == 3


def test_a_logging_handler_that_blocks(use: Any, log_to: Callable[..., None], gate: Gate) -> None:
    """The task is FAILED while its line still waits to be written; the other worker and the loop go on."""
    engine = use(task_workers=2)
    log_to(lambda record: gate.hold())
    failed = submit_task(fails)
    gate.wait_entered()
    assert engine.now(failed).is_failed()
    assert engine.now(failed).error == "ValueError: for the log"
    others = [submit_task(func) for func in (int, nothing) for _ in range(10)]
    assert all(result.is_success() for result in engine.done(*others))
    gate.open()


def test_a_logging_handler_that_blocks_the_loop(use: Any, log_to: Callable[..., None], gate: Gate) -> None:
    """The coroutine is FAILED at once, too. Others stand still until the line is written: they share its
    thread. Plain functions go on."""
    engine = use(task_workers=1)
    log_to(lambda record: gate.hold())
    failed = submit_task(fails_async)
    gate.wait_entered()
    assert engine.now(failed).is_failed()
    held_up = submit_task(nothing)
    assert engine.one(submit_task(int)).is_success()
    assert not engine.now(held_up).is_done()
    gate.open()
    assert engine.one(held_up).is_success()


# -- tracers ----------------------------------------------------------------------------------------


def raising_tracer(frame: Any, event: str, argument: Any) -> Any:
    """As `sys.settrace` takes it; Python takes it off when it has raised."""
    if frame.f_code.co_name in ("traced", "traced_async"):
        raise ValueError("from the tracer")
    return raising_tracer


@background
def traced() -> None:
    pass


@background
async def traced_async() -> None:
    pass


@pytest.mark.parametrize("task", [traced, traced_async])
def test_a_tracer_of_all_threads_that_raises_in_a_task(use: Any, task: Callable[[], str]) -> None:
    """The task is FAILED with what the tracer raised; the thread goes on."""
    before = threading.gettrace()
    threading.settrace(raising_tracer)
    try:
        engine = use(task_workers=1)
        assert engine.one(task()).error == "ValueError: from the tracer"
        assert all(result.is_success() for result in engine.done(submit_task(int), submit_task(nothing)))
    finally:
        threading.settrace(before)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [traced, traced_async])
def test_a_tracer_that_a_task_sets_for_itself(use: Any, task: Any) -> None:
    """The same: it raises inside of the task, and Python has taken it off by the end of it."""
    engine = use(task_workers=1)

    def sets() -> None:
        sys.settrace(raising_tracer)
        traced.func()

    async def sets_async() -> None:
        sys.settrace(raising_tracer)
        await traced_async.func()

    failed = submit_task(sets if task is traced else sets_async)
    assert engine.one(failed).error == "ValueError: from the tracer"
    assert all(result.is_success() for result in engine.done(submit_task(int), submit_task(nothing)))


# -- what belongs to the process --------------------------------------------------------------------


def test_a_task_that_rearranges_the_process(run_script: Callable[..., Script]) -> None:
    """Folder, mask, environment and recursion limit are everybody's, and stay as a task leaves them. The
    engine needs none of them: later tasks run, on all workers, and the program ends as always."""
    script = run_script(
        WAITING
        + """
@background
def rearranges():
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    sys.setrecursionlimit(60)
    threading.stack_size(64 * 1024)
@background
def fails():
    raise ValueError("for the log")
@background
async def looks():
    return os.getcwd(), len(os.environ)
def deep(n):
    return n and deep(n - 1)
@background
def goes_deep():
    return deep(100)
say(*wait(rearranges()))
ids = [looks(), fails(), goes_deep(), *(submit_task(int) for _ in range(20))]
say(*sorted(set(wait(*ids))))
say(get_task(ids[0]).result, get_task(ids[2]).error.split(":")[0])
""",
    )
    assert script.end() == 0
    assert script.out == "completed\ncompleted failed\n('/', 0) RecursionError\n"


def test_a_task_that_takes_the_signals(run_script: Callable[..., Script]) -> None:
    """Python lets only the main thread change what a signal does, and no task runs there: it is FAILED. One
    that blocks signals does so for its own thread. SIGTERM still ends the program in good order."""
    script = run_script(
        WAITING
        + """
@background
def ignores():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
@background
async def ignores_async():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
@background
def blocks():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
@background
async def blocks_async():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
@background
def last():
    time.sleep(0.1)
    say("last task")
say(*wait(ignores(), ignores_async(), blocks(), blocks_async(), submit_task(int)))
last()
say("ready")
while True:
    time.sleep(0.01)
"""
    )
    script.wait_for("ready")
    script.signal(signal.SIGTERM)
    assert script.end() == 128 + signal.SIGTERM
    assert script.out.split("\n")[0] == "failed failed completed completed completed"
    assert "last task" in script.out


def test_a_task_that_closes_every_descriptor(run_script: Callable[..., Script]) -> None:
    """It takes the server with it, and that cannot be helped: an event loop that looks at its descriptors
    next aborts the process, and a memory engine keeps nothing beyond it. When that happens is chance. What
    holds until then: the outcome is recorded, plain tasks, which need no descriptor, go on and can be looked
    up, and clients are refused. What holds for certain: nobody is told anything else, and nothing hangs."""
    script = run_script(
        WAITING
        + """
from hypern import Hypern
import socket
app = Hypern()
app.get("/")(lambda req, res, ctx: "ok")
@app.background
def closes():
    os.closerange(3, 4096)
    return "closed"
@app.background
def fails():
    raise ValueError("for the log")
def go():
    socket.create_connection(("127.0.0.1", port), 5).close()
    task_id = closes()
    say(*wait(task_id), get_task(task_id).result)
    say(*sorted(set(wait(fails(), *(submit_task(int) for _ in range(100))))))
    try:
        socket.create_connection(("127.0.0.1", port), 5)
    except ConnectionRefusedError:
        say("refused")
    say("stopping")
    app.stop()
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
app.listen(port, callback=threading.Thread(target=go, daemon=True).start)
"""
    )
    assert script.end() == -signal.SIGABRT
    said = script.out.split("\n")[1:-1]
    assert said == ["completed closed", "completed failed", "refused", "stopping"][: len(said)]
