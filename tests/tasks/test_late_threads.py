"""Programs whose main thread ends, or is interrupted, while other threads or it itself still submit tasks."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest
from tests.tasks.script import Script

from hypern.threads import STARTS_LATE

RunScript = Callable[..., Script]


@pytest.mark.parametrize("earlier", ["", "submit_task(say, args=('earlier',))"])
def test_a_thread_that_outlives_main_may_submit(run_script: RunScript, earlier: str) -> None:
    """While a thread of the program's own runs, the program has not ended: its tasks are taken and run,
    be they the first ones or not. A Python that starts no threads then has nobody to run the first one."""
    script = run_script(f"""
{earlier}
def late():
    threading.main_thread().join()
    submit_task(say, args=("first",))
    submit_task(lambda: submit_task(say, args=("second",)))
threading.Thread(target=late).start()
""")
    assert script.end() == 0
    if earlier or STARTS_LATE:
        assert {"first", "second"} <= set(script.out.split("\n"))
        assert script.log == ""
    else:
        assert "EngineStopped: main has ended, and this Python starts no threads then" in script.log


def test_a_signal_while_a_thread_outlives_main(run_script: RunScript) -> None:
    """SIGTERM ends a program that only waits for a thread of its own; its running tasks finish before."""
    script = run_script("""
def work():
    time.sleep(0.5)
    say("finished")
submit_task(work)
threading.Thread(target=time.sleep, args=(600,)).start()
threading._register_atexit(say, "main has ended")
""")
    script.wait_for("main has ended")
    script.signal(signal.SIGTERM)
    script.end()
    assert "finished" in script.out


def test_executors_may_be_used_by_threads_that_outlive_main(run_script: RunScript) -> None:
    """Idle threads of an executor do not count as threads of the program's own; nobody waits for them."""
    script = run_script("""
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
pool.submit(say, "pool").result()
submit_task(lambda: say("task", pool.submit(lambda: "by the pool").result()))
""")
    assert script.end() == 0
    assert "task by the pool" in script.out


def test_ctrl_c_in_the_midst_of_submitting(run_script: RunScript) -> None:
    """A main thread that is interrupted while it submits without pause leaves an engine that still works:
    the program ends, and the tasks that it was given ids for have run."""
    script = run_script("""
ran = set()
@background
def note(number):
    ran.add(number)
from hypern import QueueFull
from hypern.tasks.runtime import current_engine
engine = current_engine()
note(-1)
engine.wait_until(engine.idle, 10)
numbers = iter(range(10**9))
given = {}
interrupted = 0
while interrupted < 20:
    try:
        say("submitting", interrupted)
        while True:
            number = next(numbers)
            try:
                given[number] = note(number)
            except QueueFull:
                time.sleep(0)
    except KeyboardInterrupt:
        interrupted += 1
say("idle", engine.wait_until(engine.idle, 10))
say("missing", len(given.keys() - ran))
""")
    for number in range(20):
        script.wait_for(f"submitting {number}")
        time.sleep(random.uniform(0, 0.002))  # anywhere in the midst of it
        script.signal(signal.SIGINT)
    assert script.end() == 0
    assert "idle True" in script.out
    assert "missing 0" in script.out
