"""The end of a program in a Python that starts no thread once main has ended: 3.12.0 to 3.12.2, and this one
when it is made to behave like them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tasks.script import Script

RunScript = Callable[..., Script]

# Some start several Pythons, on machines that are busy. Who waits the whole grace is found out by the log.
LIMIT = 60.0

SUCH_A_PYTHON = """
from hypern import Hypern, configure, list_tasks, wait_for_task, wait_for_task_async
from hypern import threads
main_has_ended = threading.Event()
threading._register_atexit(main_has_ended.set)
def refuse(*args, **kwargs):
    raise RuntimeError("can't create new thread at interpreter shutdown")
def start_none():
    threading._start_new_thread = threading._start_joinable_thread = refuse
if threads.STARTS_LATE:
    threads.STARTS_LATE = False
    threading._register_atexit(start_none)
"""


@pytest.fixture(params=["memory", "sqlite"])
def run_late(request: pytest.FixtureRequest, run_script: RunScript, tmp_path: Path) -> RunScript:
    """Start a program in such a Python, with each kind of store."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'tasks.db'}"

    def run(source: str, **environment: str) -> Script:
        return run_script(SUCH_A_PYTHON + source, HYPERN_TASK_STORE=url, **environment)

    return run


def test_all_workers_are_there(run_late: RunScript) -> None:
    """As many tasks run side by side as there are workers, though one would have done before."""
    script = run_late("""
meeting = threading.Barrier(4)
@background
def meet():
    meeting.wait(10)
    say("met")
@background
def first():
    main_has_ended.wait()
    for _ in range(3):
        meet()
    meeting.wait(10)
first()
""")
    assert script.end(LIMIT) == 0
    assert script.out == "met\n" * 3
    assert script.log == ""


def test_event_loops_have_their_executor(run_late: RunScript) -> None:
    """Coroutines may use asyncio.to_thread, more often than there are threads, look up addresses and wait for
    other tasks."""
    script = run_late("""
@background
async def other():
    await asyncio.sleep(0)
@background
async def work():
    while not main_has_ended.is_set():
        await asyncio.sleep(0.01)
    say(sum(await asyncio.gather(*(asyncio.to_thread(int, "1") for _ in range(100)))))
    say(bool(await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)))
    say((await wait_for_task_async(other())).status)
work()
""")
    assert script.end(LIMIT) == 0
    assert script.out == "100\nTrue\ncompleted\n"
    assert script.log == ""


def test_deadlines_are_kept(run_late: RunScript) -> None:
    """The first task that has a timeout may come as late as that."""
    script = run_late("""
@background(timeout=0.05)
def slow():
    while not current_task().cancel_requested:
        time.sleep(0.01)
    say("gave way")
@background
def first():
    main_has_ended.wait()
    say(wait_for_task(slow()).error)
first()
""")
    assert script.end(LIMIT) == 0
    assert "TimeoutError: the attempt took longer" in script.out
    assert "not finished" not in script.log


def test_isolated_tasks_run(run_late: RunScript) -> None:
    """Processes are started, killed when their time is up, and gone in the end."""
    script = run_late("""
@background(isolate="process")
def quick():
    say("worked")
@background(isolate="process", timeout=0.5)
def slow():
    time.sleep(600)
def first():
    main_has_ended.wait()
    say(wait_for_task(quick()).status)
    say(wait_for_task(slow()).status)
    say(wait_for_task(quick()).status)
if __name__ == "__main__":
    submit_task(first)
""")
    assert script.end(LIMIT) == 0
    assert script.out == "worked\ncompleted\nfailed\nworked\ncompleted\n"
    assert "not finished" not in script.log


def test_a_task_that_starts_a_thread_fails(run_late: RunScript) -> None:
    """That cannot be helped; it is said in the log, and nothing else suffers."""
    script = run_late("""
@background
def starts():
    main_has_ended.wait()
    threading.Thread(target=say, args=("started",)).start()
@background
def other():
    main_has_ended.wait()
    say("other")
starts()
other()
""")
    assert script.end(LIMIT) == 0
    assert script.out == "other\n"
    assert "RuntimeError: can't create new thread at interpreter shutdown" in script.log
    assert "not finished" not in script.log


def test_the_first_task_of_a_late_thread_is_refused(run_late: RunScript) -> None:
    """With the reason, and nothing of it is kept; also by an app that is made then."""
    script = run_late("""
def tries():
    try:
        submit_task(say, args=("ran",))
    except Exception as error:
        say(error)
    say(list_tasks().tasks)
def late():
    main_has_ended.wait()
    tries()
    Hypern()
    tries()
threading.Thread(target=late).start()
""")
    assert script.end(LIMIT) == 0
    refused = (
        "main has ended, and this Python starts no threads then, as later ones do: nobody could run a task; "
        "nothing was queued. Submit a task before main ends, or use Python 3.12.3 or newer.\n[]\n"
    )
    assert script.out == refused * 2
    assert script.log == ""


def test_stopped_workers_stay_stopped(run_late: RunScript) -> None:
    """A late thread that stops them is refused what would start them again."""
    script = run_late("""
from hypern.tasks.runtime import current_engine
submit_task(say, args=("early",))
def late():
    main_has_ended.wait()
    wait_for_task(submit_task(say, args=("late",)))
    current_engine().stop()
    try:
        submit_task(say, args=("too late",))
    except Exception as error:
        say(type(error).__name__)
threading.Thread(target=late).start()
""")
    assert script.end(LIMIT) == 0
    assert sorted(script.out.split("\n")[:-1]) == ["EngineStopped", "early", "late"]
    assert script.log == ""


def test_tasks_for_other_processes_are_kept(run_script: RunScript, tmp_path: Path) -> None:
    """A program that only submits needs no threads for it."""
    script = run_script(
        SUCH_A_PYTHON
        + """
configure(task_workers=0)
def work():
    pass
def late():
    main_has_ended.wait()
    say(get_task(submit_task(work)).status)
threading.Thread(target=late).start()
""",
        HYPERN_TASK_STORE=f"sqlite:///{tmp_path / 'tasks.db'}",
    )
    assert script.end(LIMIT) == 0
    assert script.out == "pending\n"
    assert script.log == ""
