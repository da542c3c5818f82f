"""Forking: the child begins with an empty engine of its own, the parent notices nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped
from tests.tasks.script import Script

from hypern import get_task, submit_task


def in_child(report: Callable[[], Any]) -> str:
    """What `report()` says in a forked child, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            text = str(report())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


def test_the_child_is_empty_and_the_parent_intact(engine: Helped, gate: Gate) -> None:
    """The child knows none of the parent's tasks; all of these run once, in the parent."""
    ran: list[int] = []
    ids = [submit_task(gate.hold)]
    gate.wait_entered()
    ids += [submit_task(ran.append, (number,)) for number in range(50)]
    delayed = submit_task(int, delay_seconds=1e6)
    told = in_child(lambda: [sum(engine.store.count().values()), *(get_task(i) for i in (*ids, delayed))])
    assert told == str([0] + [None] * 52)
    gate.open()
    assert all(result.is_success() for result in engine.done(*ids))
    assert sorted(ran) == list(range(50))
    assert engine.now(delayed).is_pending()


def test_the_child_can_run_tasks(engine: Helped) -> None:
    """Plain functions, coroutines and delayed ones run in the child's own engine."""

    async def coroutine() -> int:
        return os.getpid()

    def report() -> bool:
        ids = [submit_task(os.getpid), submit_task(coroutine), submit_task(os.getpid, delay_seconds=0.01)]
        return {result.result for result in engine.done(*ids)} == {os.getpid()}

    engine.one(submit_task(int))
    assert in_child(report) == "True"
    assert engine.one(submit_task(os.getpid)).result == os.getpid()


def test_forking_under_load(engine: Helped) -> None:
    """A fork at any moment, while threads submit, leaves no lock taken in the child."""
    enough = threading.Event()

    def submits() -> None:
        while not enough.is_set():
            engine.one(submit_task(int))

    threads = [threading.Thread(target=submits) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        told = [in_child(lambda: engine.one(submit_task(abs, (-7,))).result) for _ in range(15)]
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert told == ["7"] * 15


@pytest.mark.parametrize("lane", ["plain", "coroutine"])
def test_forking_inside_of_a_task(run_script: Callable[..., Script], lane: str) -> None:
    """A child that a task forks, and that simply returns, does not run the parent's tasks again."""
    script = run_script(f"""
from hypern import wait_for_task
def forks():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
{"async " if lane == "coroutine" else ""}def work(number):
    say("work", number)
from hypern import Hypern
Hypern(task_workers=1)
forking = submit_task(forks)
for number in range(5):
    submit_task(work, (number,))
wait_for_task(forking)
""")
    assert script.end() == 0
    assert sorted(script.out.split("\n")[:-1]) == [f"work {number}" for number in range(5)]


def test_multiprocessing_inside_of_a_task(run_script: Callable[..., Script]) -> None:
    """A task may start processes and wait for them."""
    script = run_script("""
import multiprocessing
from hypern import wait_for_task
def child(queue):
    queue.put(os.getpid())
def starts():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    other = queue.get(timeout=30)
    process.join(30)
    say(other != os.getpid(), process.exitcode)
wait_for_task(submit_task(starts))
""")
    assert script.end() == 0
    assert script.out == "True 0\n"


def test_the_wait_of_a_child_is_its_own(engine: Helped, gate: Gate) -> None:
    """A child stops its engine at once though the parent's is busy."""
    submit_task(gate.hold)
    gate.wait_entered()
    assert in_child(lambda: engine.stop(grace=WAIT)) == "[]"
