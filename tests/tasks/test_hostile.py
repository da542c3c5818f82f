"""Tasks that misbehave: none of them takes a worker, another task or the end of the program with it."""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped
from tests.tasks.script import Script

from hypern import TaskStatus, background, current_task, submit_task
from hypern.errors import InvalidOption, NoCurrentTask

FATAL = [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, MemoryError, BaseException]


@pytest.mark.parametrize("kind", FATAL)
def test_whatever_a_function_raises(use: Any, kind: type[BaseException]) -> None:
    """Exceptions that would end a program or a thread fail their task; the only worker goes on."""
    engine = use(task_workers=1)

    def raises() -> None:
        raise kind("from a function")

    result = engine.one(submit_task(raises))
    assert (result.status, result.error) == (TaskStatus.FAILED, f"{kind.__name__}: from a function")
    assert engine.one(submit_task(int)).is_success()


def test_an_endless_loop_does_not_stop_the_others(use: Any) -> None:
    """A function that computes without end takes one worker; plain functions and coroutines go on."""
    engine = use(task_workers=2)
    enough = threading.Event()

    def endless() -> None:
        while not enough.is_set():
            pass

    async def nothing() -> None:
        pass

    endless_id = submit_task(endless)
    try:
        ids = [submit_task(func) for func in (int, nothing) for _ in range(10)]
        assert all(result.is_success() for result in engine.done(*ids))
        assert engine.now(endless_id).is_running()
    finally:
        enough.set()


def test_a_coroutine_as_result(engine: Helped) -> None:
    """A returned coroutine is closed and its result said to be omitted; the task is COMPLETED."""

    async def inner() -> None:
        pass

    result = engine.one(submit_task(lambda: inner()))
    assert (result.status, result.result) == (TaskStatus.COMPLETED, None)
    assert result.result_omitted is not None
    assert "async def" in result.result_omitted


def test_a_result_that_fights(engine: Helped) -> None:
    """A result whose every operator raises is kept like any other."""

    class Fights:
        def __eq__(self, other: object) -> bool:
            raise ValueError

        __hash__ = None  # type: ignore[assignment]

        def __bool__(self) -> bool:
            raise ValueError

        def __repr__(self) -> str:
            raise ValueError

    fighter = Fights()
    result = engine.one(submit_task(lambda _: fighter, (fighter,)))
    assert result.result is fighter
    assert result.args[0] is fighter


def test_changed_surroundings(engine: Helped) -> None:
    """A task that changes the recursion limit or the switch interval disturbs no other."""
    limit, interval = sys.getrecursionlimit(), sys.getswitchinterval()

    def changes() -> None:
        sys.setrecursionlimit(300)
        sys.setswitchinterval(0.5)

    try:
        engine.one(submit_task(changes))
        assert all(result.is_success() for result in engine.done(*[submit_task(int) for _ in range(20)]))
    finally:
        sys.setrecursionlimit(limit)
        sys.setswitchinterval(interval)


def test_a_renamed_worker(use: Any) -> None:
    """What a task does to the thread that it runs on, its name and its thread-locals, breaks nothing."""
    engine = use(task_workers=1)

    def renames() -> None:
        threading.current_thread().name = "renamed"

    engine.one(submit_task(renames))
    assert engine.one(submit_task(lambda: threading.current_thread().name)).result == "renamed"
    assert engine.stop(grace=WAIT) == []


def test_tasks_that_submit_without_end(use: Any) -> None:
    """A chain of tasks, each of which submits the next, is no deeper than any other and keeps nothing."""
    engine = use(task_workers=1, task_result_limit=10)
    over = threading.Event()

    def next_one(left: int) -> None:
        if left:
            submit_task(next_one, (left - 1,))
        else:
            over.set()

    submit_task(next_one, (3000,))
    assert over.wait(WAIT)
    engine.settle()
    assert sum(engine.store.count().values()) == 10


# -- what a task knows of itself --------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def set_variable() -> Iterator[None]:
    token = variable.set("the submitter's")
    yield
    variable.reset(token)


@background
def reads_and_writes() -> str:
    seen = variable.get()
    variable.set("the task's")
    return seen


@background
async def reads_and_writes_async() -> str:
    return reads_and_writes.func()


@pytest.mark.parametrize("task", [reads_and_writes, reads_and_writes_async], ids=["plain", "coroutine"])
def test_context_variables(use: Any, set_variable: None, task: Callable[..., str]) -> None:
    """Each run sees its submitter's variables as they were at the call, and no other run's changes."""
    engine = use(task_workers=1)
    ids = [task() for _ in range(3)]
    variable.set("later")
    assert [result.result for result in engine.done(*ids)] == ["the submitter's"] * 3
    assert contextvars.Context().run(lambda: engine.one(task()).result) == "unset"


def test_each_attempt_has_a_fresh_context(use: Any, set_variable: None) -> None:
    """A retry does not see what the attempt before it set."""
    engine = use(task_workers=1)
    seen: list[tuple[int, str]] = []

    def fails_twice() -> None:
        seen.append((current_task().attempt, variable.get()))
        variable.set("an attempt's")
        if len(seen) < 3:
            raise ValueError

    assert engine.one(submit_task(fails_twice, retries=5, backoff=0)).is_success()
    assert seen == [(number, "the submitter's") for number in (1, 2, 3)]


def test_current_task(engine: Helped) -> None:
    """Inside a task: its id, name and attempt; outside: an error that says so."""

    def asks() -> tuple[str, str, int, bool]:
        task = current_task()
        return task.task_id, task.name, task.attempt, task.cancel_requested

    task_id = submit_task(asks)
    result = engine.one(task_id)
    assert result.result == (task_id, result.name, 1, False)
    with pytest.raises(NoCurrentTask, match="inside a running background task"):
        current_task()


def test_a_task_submitted_by_a_task_is_its_own(engine: Helped) -> None:
    """The inner task's current_task() is itself, not the one that submitted it."""

    def inner() -> str:
        return current_task().task_id

    def outer() -> str:
        return submit_task(inner)

    inner_id = engine.one(submit_task(outer)).result
    assert engine.one(inner_id).result == inner_id


def test_progress(engine: Helped, gate: Gate) -> None:
    """What a running task says of its progress can be looked up, and is still there in the end."""

    def half() -> None:
        current_task().progress(0.5, "half way")
        gate.hold()
        current_task().progress(1)

    task_id = submit_task(half)
    gate.wait_entered()
    progress = engine.now(task_id).progress
    assert progress is not None
    assert (progress.fraction, progress.message) == (0.5, "half way")
    gate.open()
    progress = engine.one(task_id).progress
    assert progress is not None
    assert (progress.fraction, progress.message) == (1.0, None)


@pytest.mark.parametrize(
    ("fraction", "message"),
    [(-0.1, None), (1.1, None), (float("nan"), None), ("0.5", None), (True, None), (0.5, 7)],
)
def test_impossible_progress(engine: Helped, fraction: Any, message: Any) -> None:
    """A fraction outside of 0 to 1, or a message that is no str, is refused."""

    def says() -> None:
        with pytest.raises(InvalidOption, match="progress"):
            current_task().progress(fraction, message)

    assert engine.one(submit_task(says)).error is None


def test_late_progress_is_ignored(engine: Helped) -> None:
    """A thread that outlives its task may go on reporting; the record stays as it was."""

    def hands_out() -> Any:
        task = current_task()
        task.progress(0.25)
        return task

    task_id = submit_task(hands_out)
    late = engine.one(task_id).result
    late.progress(0.75)
    progress = engine.now(task_id).progress
    assert progress is not None
    assert progress.fraction == 0.25
    assert task_id in repr(late)


# -- a process of its own ---------------------------------------------------------------------------


def test_closed_output(run_script: Callable[..., Script]) -> None:
    """A task that closes the program's output, or its locale, folder and mask, stops no other task."""
    script = run_script("""
@background
def closes():
    os.close(1)
    os.close(2)
    os.chdir("/")
    os.umask(0)
    os.environ.clear()
@background
def fails():
    raise ValueError("printed nowhere")
@background
async def works():
    await asyncio.to_thread(os.getpid)
    return "fine"
from hypern.tasks.runtime import current_engine
ids = [closes()]
current_engine().wait_until(lambda: get_task(ids[0]).is_done(), 10)
ids += [fails(), works()]
current_engine().wait_until(lambda: all(get_task(i).is_done() for i in ids), 10)
states = [get_task(i).status for i in ids]
sys.stdout = sys.stderr = None
os._exit(0 if states == ["completed", "failed", "completed"] else 9)
""")
    assert script.end() == 0


def test_a_broken_pipe(run_script: Callable[..., Script]) -> None:
    """A task that prints where nobody reads any more is FAILED; the next one runs."""
    script = run_script("""
reading, writing = os.pipe()
os.close(reading)
@background
def prints():
    os.write(writing, b"x")
from hypern.tasks.runtime import current_engine
first, second = prints(), submit_task(int)
current_engine().wait_until(lambda: get_task(first).is_done() and get_task(second).is_done(), 10)
say(get_task(first).error.split(":")[0], get_task(second).status)
""")
    assert script.end() == 0
    assert script.out == "BrokenPipeError completed\n"


def test_a_crash_leaves_no_corpse(run_script: Callable[..., Script]) -> None:
    """A task that ends the process at once ends it: memory:// promises nothing beyond, and nothing hangs."""
    script = run_script("submit_task(os._exit, (5,)); time.sleep(60)")
    started = time.monotonic()
    assert script.end() == 5
    assert time.monotonic() - started < 10
