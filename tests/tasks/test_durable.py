"""The engine on a store that outlives it, and several processes on the same one: SQLite, PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tasks.conftest import WAIT

from hypern import (
    Cancel,
    NotSerializable,
    Retry,
    TaskStatus,
    background,
    cancel_task,
    current_task,
    explain,
    get_task,
    wait_for_task,
    wait_for_task_async,
)
from hypern.config import Settings
from hypern.errors import InvalidTask
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine, use_engine

gate = threading.Event()


@background()
def add(a: int, b: int = 0) -> int:
    return a + b


@background()
def odd_result() -> object:
    return object()


@background()
def speaks(character: int) -> Cancel:
    words = f"it says {chr(character)}"
    current_task().progress(0.5, words)
    gate.wait(WAIT)
    return Cancel(words)


@background()
def speaks_once(character: int) -> Retry | None:
    return Retry(0, f"{chr(character)}, again") if current_task().attempt == 1 else None


@background()
def waits() -> str:
    gate.wait(WAIT)
    return "waited"


@background()
async def sleeps() -> str:
    current_task().progress(0.0)
    await asyncio.sleep(WAIT)
    return "slept"


@background()
def gives_way() -> int:
    current_task().progress(0.0)
    while not current_task().cancel_requested:
        time.sleep(0.002)
    return current_task().attempt


@background()
def until_the_stop() -> None:
    current_task().progress(0.0)
    while not current_engine().is_paused:
        time.sleep(0.002)


@background()
def chain(left: int) -> int:
    if left:
        chain(left - 1)
    return left


PROGRAM = """
import sys
from hypern import Hypern
from tests.tasks import test_durable as tasks
app = Hypern(task_store=sys.argv[1], task_workers=2)
"""

Run = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tasks.db?synchronous=normal"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = Engine(Settings(task_store=url, task_workers=2))
    before = use_engine(engine)
    gate.clear()
    yield engine
    gate.set()
    use_engine(before)
    engine.stop(grace=1.0, final=True)


@pytest.fixture
def only_submits(url: str) -> Iterator[Engine]:
    """An engine that runs nothing: other processes do."""
    engine = Engine(Settings(task_store=url, task_workers=0))
    before = use_engine(engine)
    yield engine
    use_engine(before)
    engine.store.close()


@pytest.fixture
def program(url: str) -> Iterator[Run]:
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM + code, url],
                stdout=subprocess.PIPE,
                stdin=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.close()


SERVE = "app.engine.start(); print('ready', flush=True); sys.stdin.read(); app.engine.stop(grace=0.0)"


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.003)
    return found


def begun(task_id: str, attempt: int = 1) -> None:
    """Wait until its function has been called for this attempt: a claimed task is RUNNING a moment before."""
    until(lambda: (task := get_task(task_id)) and task.attempt == attempt and task.progress is not None)


def ended(task_id: str) -> Any:
    return until(lambda: (task := get_task(task_id)) is not None and task.is_done() and task)


def test_one_process(engine: Engine) -> None:
    """Plain and coroutine tasks run, and what they return is read back from the store."""
    result = ended(add(1, b=2))
    assert (result.result, result.args, result.kwargs, result.attempt) == (3, (1,), {"b": 2}, 1)
    assert result.func(4) != result.task_id
    assert asyncio.run(add.submit_async(2)) is not None


def test_what_cannot_be_stored(engine: Engine) -> None:
    """Arguments are refused where they are submitted, and nothing is queued; a result is left out."""
    with pytest.raises(NotSerializable) as refused:
        add({"a": [object()]})  # type: ignore[arg-type]
    assert refused.value.path == "args[0]['a'][0]"
    with pytest.raises(InvalidTask, match="cannot be stored"):
        background(lambda: 1)()
    assert engine.store.count()[TaskStatus.PENDING] == 0
    result = ended(odd_result())
    assert (result.status, result.result) == (TaskStatus.COMPLETED, None)
    assert "object" in (result.result_omitted or "")


@pytest.mark.parametrize("character", [0xD800, 0], ids=["half", "nul"])
def test_words_that_cannot_be_stored(engine: Engine, character: int) -> None:
    """What a task says of itself is kept in a form that can be; it never keeps the task from ending."""
    task_id = speaks(character)
    begun(task_id)
    assert get_task(task_id).progress.message.startswith("it says ")  # type: ignore[union-attr]
    gate.set()
    result = ended(task_id)
    assert result.status is TaskStatus.CANCELLED
    assert result.reason.startswith("it says ")
    assert ended(speaks_once(character)).attempts[0].error.endswith(", again")


def test_a_task_that_submits_tasks(engine: Engine) -> None:
    """Also while its own ending is on its way."""
    chain(30)
    until(lambda: engine.store.count()[TaskStatus.COMPLETED] == 31)


def test_a_signal_handler_that_submits(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that interrupts a submit of its own thread holds up nobody: both tasks are kept, and run."""
    writer = engine.store._submits  # type: ignore[attr-defined]
    plain = writer._transactions.write
    ids: list[str] = []

    def write(*pieces: Any) -> None:
        if threading.current_thread() is threading.main_thread() and not ids:
            signal.raise_signal(signal.SIGUSR1)
        plain(*pieces)

    monkeypatch.setattr(writer._transactions, "write", write)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: ids.append(add(1, 1)))
    try:
        ids.append(add(2, 2))
    finally:
        signal.signal(signal.SIGUSR1, before)
    writer.flush()
    ended = [wait_for_task(task_id, timeout=WAIT) for task_id in ids]
    assert [task and task.result for task in ended] == [2, 4]


def test_a_listener_that_submits_tasks(engine: Engine) -> None:
    """Who is told of an ending may submit: nobody waits for himself."""
    followed: list[str] = []
    numbers = itertools.count(1)

    def follow(event: Any) -> None:
        if event.name == "finished" and (number := next(numbers)) <= 5:
            followed.append(add(number))

    engine.events.listen(follow)
    add(0)
    until(lambda: len(followed) == 5)
    assert sorted(ended(task_id).result for task_id in followed) == [1, 2, 3, 4, 5]


def test_another_process_runs_it(only_submits: Engine, program: Run) -> None:
    """What one process submits another one runs; both can be asked for it."""
    task_id = add(20, 3)
    assert "no process that runs tasks is alive" in explain(task_id)
    program(SERVE)
    assert ended(task_id).result == 23
    assert "completed" in explain(task_id)


def test_waiting_for_another_process(only_submits: Engine, program: Run) -> None:
    """A process that runs no tasks can wait, in plain code and in coroutines, for what another one runs."""
    program(SERVE)
    for number in range(3):
        found = wait_for_task(add(number, 1), WAIT)
        assert found is not None
        assert found.result == number + 1
    in_coroutine = asyncio.run(wait_for_task_async(add(5, 1), WAIT))
    assert in_coroutine is not None
    assert in_coroutine.result == 6


def test_a_killed_process_loses_nothing(only_submits: Engine, program: Run) -> None:
    """A task of a process that is killed is run by another one, without being asked."""
    task_id = sleeps()
    first = program(SERVE)
    begun(task_id)
    program(SERVE)
    first.kill()
    until(lambda: get_task(task_id).attempt == 2)  # type: ignore[union-attr]
    assert cancel_task(task_id)
    assert ended(task_id).status is TaskStatus.CANCELLED


def test_an_orderly_stop_spends_no_attempt(only_submits: Engine, program: Run) -> None:
    """What has not ended within the grace is handed back, and runs elsewhere as its first attempt."""
    task_id = sleeps()
    first = program(SERVE)
    begun(task_id)
    assert first.stdin is not None
    first.stdin.close()
    assert first.wait(WAIT) == 0
    assert (get_task(task_id).status, get_task(task_id).attempt) == (TaskStatus.PENDING, 0)  # type: ignore[union-attr]
    program(SERVE)
    begun(task_id)


def test_asked_to_stop_from_another_process(only_submits: Engine, program: Run) -> None:
    """A coroutine gets CancelledError, a plain function sees that it was asked."""
    plain, coroutine = gives_way(), sleeps()
    program(SERVE)
    begun(plain)
    begun(coroutine)
    assert cancel_task(plain)
    assert cancel_task(coroutine)
    assert ended(plain).result == 1
    assert ended(coroutine).status is TaskStatus.CANCELLED


def test_a_function_that_nobody_knows(only_submits: Engine, program: Run, tmp_path: Path) -> None:
    """Its tasks wait, others are run, and `explain` says who did not find it."""
    (tmp_path / "newer.py").write_text("def feature(): return 'new'\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import newer  # type: ignore[import-not-found]

        task_id = background(newer.feature)()
    finally:
        sys.path.remove(str(tmp_path))
    worker = program(SERVE)
    assert ended(add(1)).result == 1
    until(lambda: "no living worker knows its function" in explain(task_id))
    assert str(worker.pid) in explain(task_id)
    assert get_task(task_id).status is TaskStatus.PENDING  # type: ignore[union-attr]
    program(f"sys.path.insert(0, {str(tmp_path)!r}); " + SERVE)
    assert ended(task_id).result == "new"


def test_a_script_runs_what_is_due_before_it_ends(only_submits: Engine, program: Run) -> None:
    """A script that submits and ends has run its tasks; what is delayed stays for others."""
    script = program("print(tasks.add(7), tasks.add.with_options(delay_seconds=3600)(8))")
    assert script.wait(WAIT) == 0
    assert script.stdout is not None
    now, later = script.stdout.read().split()
    assert get_task(now).result == 7  # type: ignore[union-attr]
    assert get_task(later).status is TaskStatus.PENDING  # type: ignore[union-attr]


def test_many_processes_start_each_task_once(only_submits: Engine, program: Run, tmp_path: Path) -> None:
    """Three processes share two thousand short tasks: each is started once, each outcome is right."""
    task_ids = add.submit_many([(number,) for number in range(2000)])
    for _ in range(3):
        program(SERVE)
    until(lambda: only_submits.store.count()[TaskStatus.COMPLETED] == 2000)
    results = [get_task(task_id) for task_id in task_ids]
    assert [result.result for result in results if result] == list(range(2000))
    assert {result.attempt for result in results if result} == {1}


def test_sigterm_leaves_the_rest_to_others(only_submits: Engine, program: Run) -> None:
    """A worker that is told to end starts nothing more, though there is more to do."""
    runs = until_the_stop()
    worker = program("app.run_tasks(workers=1)")
    begun(runs)
    add.submit_many([(number,) for number in range(200)])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(WAIT) == 0
    assert ended(runs).status is TaskStatus.COMPLETED
    assert only_submits.store.count()[TaskStatus.PENDING] == 200


def test_the_child_of_a_fork_has_the_store_too(engine: Engine) -> None:
    """A forked child opens the store anew, and knows what its parent has submitted."""
    task_id = add.with_options(delay_seconds=3600)(1)
    child = os.fork()
    if not child:
        try:
            known = get_task(task_id)
            mine = add(5)
            os._exit(0 if known is not None and ended(mine).result == 5 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ended(add(6)).result == 6
