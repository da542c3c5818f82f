"""Tasks in processes of their own: what comes back, what kills them, and that nothing is left of them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.tasks import isolated_tasks as tasks
from tests.tasks.conftest import WAIT, Helped
from tests.tasks.script import Script

from hypern import InvalidTask, TaskStatus, background, cancel_task, submit_task
from hypern.errors import NotSerializable
from hypern.tasks import isolated

RunScript = Callable[..., Script]


def run(func: Callable[..., Any], *args: Any, **options: Any) -> str:
    return submit_task(func, args, isolate="process", **options)


def wait_gone(pid: int) -> None:
    """Wait until the process has ended."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        assert poll.poll(WAIT * 1000), f"process {pid} still runs"
    finally:
        os.close(end)


def read(file: Path) -> int:
    tasks.wait_for(str(file))
    return int(file.read_text())


# -- what goes in and comes out ----------------------------------------------------------------------


def test_arguments_and_results_keep_their_types(engine: Helped) -> None:
    """The arguments arrive, and the result comes back, as what they were."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    calls: list[tuple[Any, Any]] = [((1, moment), ({"a"},)), (b"x", b"y"), ("ä" * 200_000, "!")]
    results = [result.result for result in engine.done(*(run(tasks.add, *call) for call in calls))]
    assert results == [(1, moment, {"a"}), b"xy", "ä" * 200_000 + "!"]


def test_it_runs_in_another_process_that_is_kept(engine: Helped) -> None:
    """One task after the other runs in the same process, which is not this one."""
    first, second = (engine.one(run(tasks.pid)).result for _ in range(2))
    assert first == second != os.getpid()


def test_a_process_is_renewed(engine: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many runs, and after one that failed, the next task gets a new process; the old one ends."""
    failed_in = engine.one(run(tasks.pid)).result
    assert engine.one(run(tasks.raises)).is_failed()
    wait_gone(failed_in)
    monkeypatch.setattr(isolated, "_RUNS", 2)
    pids = [engine.one(run(tasks.pid)).result for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]
    assert failed_in not in pids
    wait_gone(pids[0])


def test_a_coroutine_runs_there(engine: Helped) -> None:
    """A coroutine function runs on a loop of its own in the process."""
    task_id = run(tasks.slept, 7)
    value, pid, seen = engine.one(task_id).result
    assert (value, seen) == (7, task_id)
    assert pid != os.getpid()


def test_a_task_knows_itself(engine: Helped) -> None:
    """current_task() says in the process what it says elsewhere."""
    task_id = run(tasks.about)
    result = engine.one(task_id)
    assert result.result == (task_id, result.name, 1, False)


def test_progress_arrives(engine: Helped, tmp_path: Path) -> None:
    """What a task says of its progress can be looked up while it runs."""
    task_id = run(tasks.half_way, str(tmp_path / "go"))
    while (progress := engine.now(task_id).progress) is None:
        assert engine.now(task_id).is_pending()
    assert (progress.fraction, progress.message) == (0.5, "half")
    (tmp_path / "go").touch()
    assert engine.one(task_id).is_success()


def test_a_result_without_a_stored_form(engine: Helped) -> None:
    """The task is COMPLETED, and says why its result is not there."""
    result = engine.one(run(tasks.unstorable))
    assert result.is_success()
    assert result.result is None
    assert "object" in str(result.result_omitted)


def test_output_goes_through(
    engine: Helped, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a task prints appears where this process prints, before the task has ended."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    engine.one(run(tasks.speaks))
    assert capfd.readouterr() == ("said", "complained\n")


def test_two_take_turns(engine: Helped, tmp_path: Path) -> None:
    """Two busy tasks run at the same time: each waits for the other twenty times, without ever sleeping."""
    files = str(tmp_path / "one"), str(tmp_path / "two")
    one, two = engine.done(run(tasks.takes_turns, *files, 20), run(tasks.takes_turns, *files[::-1], 20))
    assert one.result != two.result


# -- refused when it is submitted ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("func", "args", "error", "words"),
    [
        (lambda: 1, (), InvalidTask, "lambda"),
        (print, (), InvalidTask, "cannot be stored as a task"),
        (tasks.add, (1,), InvalidTask, "missing a required argument"),
        (tasks.add, (1, object()), NotSerializable, r"args\[1\]"),
        ("abc".upper, (), InvalidTask, "cannot be stored as a task"),
    ],
)
def test_refused(engine: Helped, func: Any, args: Any, error: type[Exception], words: str) -> None:
    """What another process could not find or be told is refused at once; nothing is queued."""
    with pytest.raises(error, match=words):
        run(func, *args)
    assert not any(engine.store.count().values())


def test_refused_however_it_is_called(engine: Helped) -> None:
    """The option of a decorator, with_options and submit_many lead to the same look at the arguments."""

    @background(isolate="process")
    def local() -> None: ...

    with pytest.raises(InvalidTask, match="inside of a function"):
        local()
    with pytest.raises(InvalidTask, match="inside of a function"):
        local.with_options(priority="high").submit_many([()])
    assert local.with_options(isolate=None).spec.rules.isolate


def test_changed_after_it_was_submitted(use: Callable[..., Helped]) -> None:
    """Arguments that can no longer be sent when it is the task's turn make it FAILED with the reason."""
    engine = use()
    engine.pause()
    given: list[Any] = [1]
    task_id = run(tasks.add, given, [2])
    given.append(object())
    engine.resume()
    assert "NotSerializable" in str(engine.one(task_id).error)


# -- ends ----------------------------------------------------------------------------------------------


def test_what_it_raises(engine: Helped) -> None:
    """Error and traceback are those of the function; SystemExit is an error, too."""
    failed, left = engine.done(run(tasks.raises), run(tasks.exits))
    assert failed.error == "ValueError: bad row"
    assert "isolated_tasks.py" in str(failed.traceback)
    assert "child.py" not in str(failed.traceback)
    assert left.error == "SystemExit: enough"


def test_wishes(engine: Helped) -> None:
    """Retry, Snooze and Cancel do what they do elsewhere."""
    again, cancelled = engine.done(run(tasks.wishes, "retry"), run(tasks.wishes, "cancel"))
    assert (again.result, again.attempt) == ("granted", 2)
    assert (cancelled.status, cancelled.reason) == (TaskStatus.CANCELLED, "nothing to do")
    later = run(tasks.wishes, "snooze")
    assert engine.wait_until(lambda: engine.now(later).status is TaskStatus.PENDING, WAIT)


@pytest.mark.parametrize(
    ("func", "argument", "how"),
    [
        (tasks.kill_me, signal.SIGSEGV, "signal 11 (SIGSEGV)"),
        (tasks.kill_me, signal.SIGKILL, "signal 9 (SIGKILL)"),
        (tasks.leave, 3, "status 3"),
    ],
)
def test_a_process_that_dies(engine: Helped, func: Any, argument: int, how: str) -> None:
    """The task is FAILED and says how its process ended; the next one runs."""
    result = engine.one(run(func, int(argument)))
    assert (result.status, result.error) == (TaskStatus.FAILED, f"WorkerLost: its process ended with {how}")
    assert engine.one(run(tasks.add, 1, 1)).result == 2


def test_a_process_that_dies_is_tried_again(engine: Helped) -> None:
    """With retries the task is tried again in another process, unless on_crash="fail"."""
    retries: dict[str, Any] = {"retries": 1, "backoff": 0.0}
    again = run(tasks.kill_me, int(signal.SIGKILL), **retries)
    final = run(tasks.kill_me, int(signal.SIGKILL), **retries, on_crash="fail")
    assert [result.result for result in engine.done(again, final)] == ["lived at attempt 2", None]
    assert (engine.now(final).attempt, engine.now(final).status) == (1, TaskStatus.FAILED)


def test_an_idle_process_that_died(engine: Helped) -> None:
    """A kept process that has died meanwhile is replaced; the task does not notice."""
    pid = engine.one(run(tasks.pid)).result
    os.kill(pid, signal.SIGKILL)
    assert engine.one(run(tasks.pid)).result != pid


def test_a_timeout_kills(engine: Helped, tmp_path: Path) -> None:
    """At its deadline the task is FAILED, and its process is gone even if it keeps the interpreter."""
    result = engine.one(run(tasks.spin, str(tmp_path / "pid"), timeout=0.05))
    assert result.error == "TimeoutError: the attempt took longer than its timeout of 0.05 s"
    wait_gone(read(tmp_path / "pid"))
    assert engine.one(run(tasks.add, 1, 1)).result == 2


def test_what_it_started_is_killed_with_it(engine: Helped, tmp_path: Path) -> None:
    """A process that the task started does not outlive the timeout."""
    engine.one(run(tasks.spin_with_a_child, str(tmp_path / "pid"), timeout=1.0))
    wait_gone(read(tmp_path / "pid"))


def test_a_function_may_look(engine: Helped, tmp_path: Path) -> None:
    """A function that is asked to stop sees it, and what it then returns is its outcome."""
    task_id = run(tasks.looks, str(tmp_path / "pid"))
    read(tmp_path / "pid")
    assert cancel_task(task_id) is True
    result = engine.one(task_id)
    assert (result.status, result.result) == (TaskStatus.COMPLETED, "stopped")


def test_a_coroutine_is_cancelled(engine: Helped, tmp_path: Path) -> None:
    """A coroutine that is asked to stop gets CancelledError and is CANCELLED; its process is kept."""
    task_id = run(tasks.waits, str(tmp_path / "pid"))
    pid = read(tmp_path / "pid")
    assert cancel_task(task_id) is True
    assert engine.one(task_id).is_cancelled()
    assert engine.one(run(tasks.pid)).result == pid


def test_what_does_not_stop_is_killed(
    engine: Helped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that cannot look is killed after a short grace: CANCELLED, and not tried again."""
    monkeypatch.setattr(isolated, "GRACE", 0.05)
    task_id = run(tasks.spin, str(tmp_path / "pid"), retries=3)
    pid = read(tmp_path / "pid")
    assert cancel_task(task_id) is True
    assert cancel_task(task_id) is True
    assert engine.one(task_id).is_cancelled()
    wait_gone(pid)


def test_stopping_the_engine_ends_processes(engine: Helped, tmp_path: Path) -> None:
    """A task that still runs when the grace is over is FAILED; neither its process nor an idle one stays."""
    idle = engine.one(run(tasks.pid)).result
    task_id = run(tasks.spin, str(tmp_path / "pid"), retries=3)
    spinning = read(tmp_path / "pid")
    extra = run(tasks.pid)
    other = engine.one(extra).result
    engine.stop(grace=0)
    for pid in (idle, spinning, other):
        wait_gone(pid)
    assert engine.one(task_id).error == "WorkerLost: its process was ended with the engine"
    assert engine.one(run(tasks.add, 1, 1)).result == 2


def test_idle_processes_end(engine: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has had nothing to do for long ends."""
    pid = engine.one(run(tasks.pid)).result
    monkeypatch.setattr(isolated, "_IDLE_SECONDS", 0.0)
    wait_gone(pid)


# -- programs ------------------------------------------------------------------------------------------

SPINS = """
import re
@background(isolate="process")
def spin():
    say(os.getpid())
    say("spins")
    re.match(r"(a+)+b", "a" * 64)
"""


def spinning_pid(script: Script) -> int:
    script.wait_for("spins")
    return int(script.out.split()[-2])


def test_nothing_outlives_a_killed_program(run_script: RunScript) -> None:
    """After kill -9 the processes of its tasks are gone, busy ones too, though a fork of it lives on."""
    script = run_script(f"""{SPINS}
if __name__ == "__main__":
    spin()
    if os.fork() == 0:
        os.close(1); os.close(2)  # they are waited for
        signal.alarm(30)
        signal.pause()
    signal.pause()
""")
    pid = spinning_pid(script)
    script.signal(signal.SIGKILL)
    wait_gone(pid)


def test_a_program_ends_with_its_idle_processes(run_script: RunScript) -> None:
    """A program whose isolated tasks are done ends at once, with the classes of its file in their results."""
    script = run_script("""
from dataclasses import dataclass
@dataclass
class Point:
    x: int
@background(isolate="process")
def move(point):
    return Point(point.x + 1)
if __name__ == "__main__":
    task_id = move(Point(1))
    while not get_task(task_id).is_done():
        time.sleep(0.01)
    say(get_task(task_id).result == Point(2))
""")
    assert script.end() == 0
    assert script.out == "True\n"
    assert script.log == ""


def test_a_program_that_submits_when_imported(run_script: RunScript) -> None:
    """The import in the task's process starts nothing; the task is FAILED and says what to write."""
    script = run_script("""
@background(isolate="process")
def work():
    say("worked")
task_id = work()
while not get_task(task_id).is_done():
    time.sleep(0.01)
say(get_task(task_id).error)
""")
    assert script.end() == 0
    assert "worked" not in script.out
    assert 'put it under `if __name__ == "__main__":`' in script.out


def test_a_program_with_a_store_that_submits_when_imported(run_script: RunScript, tmp_path: Path) -> None:
    """The import in the task's process submits nothing, and the task is FAILED."""
    script = run_script(
        """
from hypern import count_tasks
@background(isolate="process")
def work():
    say("worked")
task_id = work()
while not get_task(task_id).is_done():
    time.sleep(0.01)
say(count_tasks().number, get_task(task_id).error)
""",
        HYPERN_TASK_STORE=f"sqlite:///{tmp_path}/tasks.db",
    )
    assert script.end() == 0
    assert script.out.startswith("1 UnknownTask")
    assert 'put it under `if __name__ == "__main__":`' in script.out


def test_an_isolated_task_cannot_submit_to_memory(engine: Helped) -> None:
    """A task submitted there would be lost with the process, so it is refused, and ids are not known."""
    submitted, asked = engine.done(run(tasks.submits), run(tasks.asks, "x"))
    assert str(submitted.error).startswith("EngineStopped: this process only runs isolated tasks")
    assert asked.result is True
