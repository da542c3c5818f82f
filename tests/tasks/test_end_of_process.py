"""What becomes of tasks when their program ends: by itself, by a signal, by an error."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tasks.script import Script

from hypern.threads import STARTS_LATE

RunScript = Callable[..., Script]


def test_a_script_whose_tasks_are_done_ends_at_once(run_script: RunScript) -> None:
    """Once the last task has ended nothing holds up the end of a program."""
    script = run_script("""
@background
def work():
    say("worked")
work()
time.sleep(0.2)
say("main ends")
""")
    script.wait_for("main ends")
    started = time.monotonic()
    assert script.end() == 0
    assert time.monotonic() - started < 10
    assert "worked" in script.out
    assert script.log == ""


def test_running_and_due_tasks_are_finished(run_script: RunScript) -> None:
    """What was submitted and is due still runs when main has ended, plain functions and coroutines."""
    script = run_script("""
@background
def plain(number):
    time.sleep(0.01)
    say("plain", number)
@background
async def coroutine(number):
    await asyncio.sleep(0.01)
    say("coroutine", number)
for number in range(20):
    plain(number); coroutine(number)
""")
    assert script.end() == 0
    assert sorted(script.out.split("\n")[:-1]) == sorted(
        f"{kind} {number}" for kind in ("plain", "coroutine") for number in range(20)
    )
    assert script.log == ""


def test_delayed_tasks_are_named_and_not_waited_for(run_script: RunScript) -> None:
    """The end waits for no delayed task; the log names it with its id."""
    script = run_script("""
@background(delay_seconds=3600)
def later():
    say("ran")
say(later())
""")
    assert script.end() == 0
    task_id = script.out.strip()
    assert "ran" not in script.out
    assert "1 background task was not finished" in script.log
    assert f"later {task_id} (pending)" in script.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_tasks_finish(run_script: RunScript, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end main; the tasks that run and those that are due are finished."""
    script = run_script("""
@background
def work(number):
    time.sleep(0.3)
    say("finished", number)
for number in range(6):
    work(number)
say("started")
while True:
    time.sleep(0.01)
""")
    script.wait_for("started")
    script.signal(number)
    code = script.end()
    assert code in ({143} if number is signal.SIGTERM else {130, -signal.SIGINT})
    assert script.out.count("finished") == 6
    assert "Traceback" not in script.log or number is signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_means_now(run_script: RunScript, number: signal.Signals) -> None:
    """Whoever signals twice does not wait for the grace; the task that was left is named."""
    script = run_script("""
from hypern.tasks.runtime import current_engine
begun = threading.Event()
def tell():
    # The second one shall come while the first is being obeyed: somebody waits for the tasks then.
    while not current_engine()._watchers:
        time.sleep(0.005)
    say("the grace has begun")
@background
def forever():
    begun.set()
    time.sleep(600)
try:
    forever()
    begun.wait()
    threading.Thread(target=tell, daemon=True).start()
    say("started")
    while True:
        time.sleep(0.01)
finally:
    say("main ends")
""")
    script.wait_for("started")
    script.signal(number)
    script.wait_for("the grace has begun")
    started = time.monotonic()
    script.signal(number)
    script.end()
    assert time.monotonic() - started < 10
    assert "forever" in script.log
    assert "(running)" in script.log


def test_sys_exit_keeps_its_code(run_script: RunScript) -> None:
    """A program that calls sys.exit() finishes its tasks and exits with the code it chose."""
    script = run_script("""
@background
def work():
    time.sleep(0.2)
    say("worked")
work()
sys.exit(3)
""")
    assert script.end() == 3
    assert script.out == "worked\n"


def test_an_error_in_main_loses_no_task(run_script: RunScript) -> None:
    """A program that dies of an exception still finishes its tasks."""
    script = run_script("""
@background
def work():
    time.sleep(0.2)
    say("worked")
work()
raise ValueError("main broke")
""")
    assert script.end() == 1
    assert script.out == "worked\n"
    assert "main broke" in script.log


def test_a_task_may_submit_tasks_at_the_end(run_script: RunScript) -> None:
    """What a task submits while the program ends is finished, too."""
    script = run_script("""
@background
def work(left):
    time.sleep(0.05)
    say("left", left)
    if left:
        work(left - 1)
work(3)
""")
    assert script.end() == 0
    assert script.out == "left 3\nleft 2\nleft 1\nleft 0\n"
    assert script.log == ""


@pytest.mark.parametrize("store", ["memory://", "sqlite:///tasks.db"])
def test_functions_have_their_names_at_the_end(
    run_script: RunScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """Tasks of the program's own file may be submitted to other processes when main has ended, be it for the
    first time."""
    monkeypatch.chdir(tmp_path)
    script = run_script(
        """
from hypern.tasks.runtime import current_engine
main_has_ended = threading.Event()
threading._register_atexit(main_has_ended.set)
@background(isolate="process")
def work():
    say("worked")
def late():
    main_has_ended.wait()
    work()
if __name__ == "__main__":
    current_engine().start()
    threading.Thread(target=late).start()
""",
        HYPERN_TASK_STORE=store,
    )
    assert script.end() == 0
    assert script.out == "worked\n"
    assert script.log == ""


def test_a_task_may_use_executors_at_the_end(run_script: RunScript) -> None:
    """asyncio.to_thread and run_in_executor still work in tasks while the program ends, and so does a new
    thread, but in a Python that refuses to start one then: the task fails."""
    script = run_script("""
@background
async def to_thread():
    await asyncio.sleep(0.2)
    say("to_thread", await asyncio.to_thread(lambda: 1))
@background
async def executor():
    await asyncio.sleep(0.2)
    say("executor", await asyncio.get_running_loop().run_in_executor(None, lambda: 2))
@background
def thread():
    time.sleep(0.2)
    helper = threading.Thread(target=lambda: say("thread", 3))
    helper.start()
    helper.join()
to_thread(); executor(); thread()
""")
    assert script.end() == 0
    assert {"executor 2", "to_thread 1"} <= set(script.out.split("\n"))
    if STARTS_LATE:
        assert "thread 3" in script.out
        assert script.log == ""
    else:
        assert "thread 3" not in script.out
        assert "RuntimeError: can't create new thread at interpreter shutdown" in script.log


def test_a_short_grace_ends_an_endless_task(run_script: RunScript) -> None:
    """An endless loop does not hold up the end beyond the grace, nor the other tasks before it."""
    script = run_script("""
from hypern import Hypern
app = Hypern(task_workers=2, task_grace_seconds=0.5)
@background
def endless():
    while True:
        pass
@background
def other():
    say("other")
@background
async def asleep():
    await asyncio.sleep(600)
endless(); asleep(); other()
""")
    assert script.end() == 0
    assert script.out == "other\n"
    assert "2 background tasks were not finished" in script.log
    assert "endless" in script.log
    assert "asleep" in script.log


def test_retries_that_are_not_due_are_named(run_script: RunScript) -> None:
    """A failed task that waits for its next attempt is named at the end, not waited for."""
    script = run_script("""
@background(retries=5, backoff=1e6)
def fails():
    raise ValueError("no luck")
fails()
""")
    assert script.end() == 0
    assert "no luck" in script.log
    assert "(pending)" in script.log


def test_a_program_with_its_own_sigterm_handler_keeps_it(run_script: RunScript) -> None:
    """Hypern does not replace a SIGTERM handler that the program has set."""
    script = run_script("""
def mine(number, frame):
    say("mine")
    os._exit(7)
signal.signal(signal.SIGTERM, mine)
background(lambda: None)()
say("ready")
while True:
    time.sleep(0.01)
""")
    script.wait_for("ready")
    script.signal(signal.SIGTERM)
    assert script.end() == 7
    assert script.out.endswith("mine\n")


def test_submitting_after_the_end_is_refused(run_script: RunScript) -> None:
    """Once the engine has been stopped for good, submitting raises EngineStopped."""
    script = run_script("""
import atexit
from hypern.errors import TaskError
def too_late():
    try:
        work()
    except TaskError as error:
        say(type(error).__name__)
atexit.register(too_late)
@background
def work():
    pass
work()
""")
    assert script.end() == 0
    assert script.out == "EngineStopped\n"
