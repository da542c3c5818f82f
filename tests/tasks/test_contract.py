"""The engine through its public face: what the contract of background tasks says of memory://."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Helped

from hypern import (
    Hypern,
    InvalidTask,
    QueueFull,
    TaskStatus,
    background,
    cancel_task,
    current_task,
    get_task,
    submit_task,
)
from hypern.config import Settings
from hypern.errors import ConfigurationError
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import use_engine


@pytest.fixture
def engine(use: Callable[..., Helped]) -> Helped:
    return use(task_workers=2, task_queue_size=50)


def value(given: Any = None) -> Any:
    return given


def test_result_keeps_its_type(engine: Helped) -> None:
    """A returned value comes back as it is, with the times and arguments of its run."""
    result = engine.one(submit_task(value, args=({"n": (1, 2)},)))
    assert result.result == {"n": (1, 2)}
    assert result.status is TaskStatus.COMPLETED
    assert result.is_success()
    assert result.args == ({"n": (1, 2)},)
    assert result.started_at is not None
    assert result.finished_at is not None
    assert result.submitted_at <= result.started_at <= result.finished_at


def test_decorated_function_is_submitted_once(engine: Helped) -> None:
    """submit_task of a decorated function runs it once, under the id that is returned."""
    runs: list[str] = []

    @background()
    def note() -> None:
        runs.append(current_task().task_id)

    task_id = submit_task(note)
    engine.one(task_id)
    assert engine.wait_until(engine.idle, 10)
    assert runs == [task_id]


def test_result_can_be_submitted_again(engine: Helped) -> None:
    """submit_task(result.func, args=result.args) runs the task again under a new id."""
    first = engine.one(submit_task(value, args=(7,)))
    second = engine.one(submit_task(first.func, args=first.args))
    assert second.task_id > first.task_id
    assert second.result == 7


@pytest.mark.parametrize(
    "error", [ValueError("bad row"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("coroutine", [False, True])
def test_whatever_is_raised_fails_the_task_only(
    engine: Helped, error: BaseException, coroutine: bool
) -> None:
    """Any exception gives FAILED with error and traceback, and the next task runs."""

    def plain() -> None:
        raise error

    async def asynchronous() -> None:
        raise error

    result = engine.one(submit_task(asynchronous if coroutine else plain))
    assert result.is_failed()
    assert result.error is not None
    assert result.error.startswith(type(error).__name__)
    assert result.traceback is not None
    assert engine.one(submit_task(value, args=(1,))).result == 1


def test_exception_that_cannot_be_printed(engine: Helped) -> None:
    """An exception whose str() raises still gives a bounded error text."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def huge() -> None:
        raise ValueError("x" * 1_000_000)

    def mute() -> None:
        raise Mute

    error = engine.one(submit_task(mute)).error
    assert error is not None
    assert error.startswith("Mute")
    result = engine.one(submit_task(huge))
    assert result.error is not None
    assert len(result.error) < 5_000


def test_retries_run_again_and_then_succeed() -> None:
    """retries= gives further attempts after a wait, and attempt counts them."""
    from hypern.testing import TaskRunner

    @background(retries=2)
    def flaky() -> int:
        if current_task().attempt < 3:
            raise OSError("away")
        return current_task().attempt

    with TaskRunner() as tasks:
        task_id = flaky()
        for _ in range(3):
            tasks.run_pending()
            tasks.advance(60)
        result = tasks.wait(task_id)
    assert (result.result, result.attempt, result.error) == (3, 3, None)


def test_delayed_task_is_never_early() -> None:
    """A delayed task is PENDING until its time has come, then runs."""
    from hypern.testing import TaskRunner

    with TaskRunner() as tasks:
        task_id = submit_task(value, args=(1,), delay_seconds=3600)
        tasks.advance(3599)
        assert tasks.run_pending() == []
        tasks.advance(1)
        assert [result.task_id for result in tasks.run_pending()] == [task_id]


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "soon", True])
def test_impossible_delay_is_refused_where_it_is_written(engine: Helped, delay: Any) -> None:
    """A delay that cannot be is a ValueError at the decorator and at the call."""
    with pytest.raises(ValueError):
        background(delay_seconds=delay)
    with pytest.raises(ValueError):
        submit_task(value, delay_seconds=delay)


@pytest.mark.parametrize("priority", ["urgent", 1.5, None.__class__, True])
def test_impossible_priority_is_refused_where_it_is_written(priority: Any) -> None:
    """A priority that is no name and no int is a ValueError at the decorator."""
    with pytest.raises(ValueError):
        background(priority=priority)


def test_higher_priority_runs_first() -> None:
    """Among waiting tasks the higher priority runs first, equal ones in the order of submission."""
    from hypern.testing import TaskRunner

    order: list[str] = []
    with TaskRunner(Hypern(task_workers=1)) as tasks:
        for name, priority in (
            ("l", "low"),
            ("n1", "normal"),
            ("h", "high"),
            ("n2", "normal"),
            ("c", "critical"),
        ):
            submit_task(order.append, args=(name,), priority=priority)
        tasks.run_pending()
    assert order == ["c", "h", "n1", "n2", "l"]


def test_full_queue_refuses_exactly_above_its_size(engine: Helped) -> None:
    """With n places, n waiting tasks are taken from many threads and all others get QueueFull."""
    engine.pause()
    taken, refused = [], []

    def submit_many() -> None:
        for _ in range(20):
            try:
                taken.append(submit_task(value, delay_seconds=60 * (len(taken) % 2)))
            except QueueFull as full:
                refused.append(full.limit)

    threads = [threading.Thread(target=submit_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused), set(refused)) == (50, 110, {50})


def test_wrong_arguments_are_refused_at_the_call(engine: Helped) -> None:
    """A call that the signature does not allow is a TypeError and queues nothing."""

    @background
    def add(a: int, b: int = 0) -> int:
        return a + b

    for call in (lambda: add(), lambda: add(1, 2, 3), lambda: add(a=1, c=2)):  # type: ignore[call-arg]
        with pytest.raises(InvalidTask):
            call()
    assert engine.store.count()[TaskStatus.PENDING] == 0
    assert engine.one(add(1, b=2)).result == 3


def test_cancel_in_each_state(engine: Helped) -> None:
    """A cancelled waiting task never runs, a running coroutine gets CancelledError, an ended one is False."""
    waiting = submit_task(value, delay_seconds=60)
    assert cancel_task(waiting) is True
    assert cancel_task(waiting) is False
    assert engine.one(waiting).is_cancelled()
    started = threading.Event()

    async def long() -> None:
        started.set()
        await asyncio.sleep(60)

    running = submit_task(long)
    assert started.wait(WAIT)
    assert cancel_task(running) is True
    assert engine.one(running).is_cancelled()
    assert cancel_task("unknown") is False


def test_plain_function_sees_the_wish_to_cancel(engine: Helped) -> None:
    """cancel_task on a running plain function sets cancel_requested; what it returns is its outcome."""
    started, go_on = threading.Event(), threading.Event()

    def obliging() -> bool:
        started.set()
        go_on.wait(WAIT)
        return current_task().cancel_requested

    task_id = submit_task(obliging)
    assert started.wait(WAIT)
    assert cancel_task(task_id) is True
    go_on.set()
    assert engine.one(task_id).result is True


def test_context_is_carried_and_does_not_leak(engine: Helped) -> None:
    """A task sees its submitter's context variables; what it sets is gone for the next."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def read_and_set() -> str:
        seen = variable.get()
        variable.set("leaked")
        return seen

    variable.set("mine")
    assert engine.one(submit_task(read_and_set)).result == "mine"
    assert engine.one(submit_task(read_and_set)).result == "mine"


def test_thousands_of_coroutines_run_together() -> None:
    """3,000 coroutine tasks that wait for each other all end."""
    engine = Engine(Settings(task_queue_size=5_000))
    former = use_engine(engine)
    try:
        arrived = 0
        gate = asyncio.Event()

        async def meet() -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 3_000:
                gate.set()
            await gate.wait()

        for _ in range(3_000):
            submit_task(meet)
        assert engine.wait_until(engine.idle, 30)
        assert engine.store.count()[TaskStatus.COMPLETED] == 3_000
    finally:
        use_engine(former)
        engine.discard()


def test_no_wake_up_is_lost(monkeypatch: pytest.MonkeyPatch, engine: Helped) -> None:
    """Submitted one by one to an idle engine, every task is run, 2,000 times over, without anybody who looks
    now and then for what was overlooked."""
    monkeypatch.setattr(Engine, "_tidy", lambda engine: None)
    for number in range(2_000):
        done = threading.Event()
        submit_task(done.set)
        assert done.wait(WAIT), number


def test_blocking_tasks_use_all_workers(engine: Helped) -> None:
    """Two tasks that wait for each other both get a thread."""
    barrier = threading.Barrier(2, timeout=WAIT)
    first, second = submit_task(barrier.wait), submit_task(barrier.wait)
    assert {engine.one(first).status, engine.one(second).status} == {TaskStatus.COMPLETED}


def test_forked_child_is_empty_and_works(engine: Helped) -> None:
    """After fork the child knows none of the parent's tasks and can run its own; the parent keeps its own."""
    task_id = submit_task(value, delay_seconds=60)
    engine.one(submit_task(value))
    child = os.fork()
    if child == 0:
        fine = get_task(task_id) is None
        own = submit_task(value, args=(5,))
        fine = fine and engine.wait_until(engine.idle, 10)
        result = get_task(own)
        os._exit(0 if fine and result is not None and result.result == 5 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert get_task(task_id) is not None


def test_one_task_id_is_one_task(engine: Helped) -> None:
    """Submitting an id again adds nothing and returns the id."""
    runs: list[int] = []
    for _ in range(3):
        assert submit_task(runs.append, args=(1,), task_id="order-7") == "order-7"
    assert engine.wait_until(engine.idle, 10)
    assert runs == [1]


@pytest.mark.parametrize(
    "settings",
    [{"task_workers": 0}, {"task_queue_size": 0}, {"task_store": "redis://x"}, {"task_grace_seconds": -1}],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    """A setting that cannot work is a ConfigurationError when the app is made."""
    with pytest.raises(ConfigurationError):
        Hypern(**settings)


def run_script(
    tmp_path: Path, text: str, act: Callable[[subprocess.Popen[str]], None] | None = None
) -> tuple[int, str, str, float]:
    script = tmp_path / "script.py"
    script.write_text("import time\nfrom hypern import submit_task, background\n" + text)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline() if act else ""
    began = time.monotonic()
    if act:
        act(process)
    out, err = process.communicate(timeout=30)
    return process.returncode, first + out, err, time.monotonic() - began


def test_script_ends_when_its_tasks_are_done(tmp_path: Path) -> None:
    """At the end of a script due tasks are finished; delayed ones are named and not waited for."""
    code, out, err, took = run_script(
        tmp_path,
        "submit_task(lambda: (time.sleep(0.3), print('ran')))\n"
        "print(submit_task(print, args=('late',), delay_seconds=60))\n",
    )
    task_id = out.split()[0]
    assert (code, out.split()[1:]) == (0, ["ran"])
    assert task_id in err
    assert took < 15


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_running_tasks_finish(tmp_path: Path, number: int) -> None:
    """SIGTERM and Ctrl-C end a script after what runs is finished."""
    _, out, _, _ = run_script(
        tmp_path,
        "submit_task(lambda: (print('began', flush=True), time.sleep(0.5), print('ended', flush=True)))\n"
        "while True: time.sleep(0.01)\n",
        lambda process: process.send_signal(number),
    )
    assert out.split() == ["began", "ended"]
