"""Limits, rates and pauses hold for all processes of a file together, also when some of them die."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from crash.journal import Line
from crash.rows import read_store
from tests.crash.conftest import Effects, MakePuppet, until

MOST = 3
PER_SECOND = 20.0


def most_at_once(lines: list[Line], died: dict[str, int], since: int = 0) -> int:
    """How many tasks ran at the same time. `died`: when the runs of a killed process ended."""
    changes = []
    begun: dict[str, Line] = {}
    for line in lines:
        if line.what == "start":
            begun[f"{line.id} {line.who}"] = line
            changes.append((line.at, 1))
        elif line.what == "end":
            del begun[f"{line.id} {line.who}"]
            changes.append((line.at, -1))
    changes += [(died[line.who], -1) for line in begun.values()]
    running = most = 0
    for at, change in sorted(changes):
        running += change
        if at > since:
            most = max(most, running)
    return most


def test_a_limit_is_exact_though_a_worker_dies(puppet: MakePuppet, effects: Effects, home: Path) -> None:
    """Of a queue with a limit as many tasks run at once, in two processes together, never more; when one of
    them is killed amid its tasks, the room that these took is used again."""
    producer = puppet("producer", task_workers=0)
    producer.tell("set_queue", name="limited", limit=MOST, paused=True)
    tasks = [producer.submit(f"limited:{number}", "limited", 0.0, 0.05) for number in range(160)]
    killed, left = puppet("killed", task_workers=4), puppet("left", task_workers=4)
    producer.tell("set_queue", name="limited", paused=False)
    effects.wait(tasks[15])
    until(lambda: any(line.who == "killed" for line in effects.all()), "both take part")
    # From here on, though it may still run for a moment: others take its room only afterwards.
    died = {"killed": time.monotonic_ns()}
    killed.kill()
    until(lambda: all(left.status(task) == "completed" for task in tasks[-5:]), "the last ones are done")
    until(lambda: all(row.is_ended for row in read_store(home / "tasks.db").rows), "all are done")
    lines = effects.all()
    assert most_at_once(lines, died) == MOST
    assert most_at_once(lines, died, since=died["killed"] + 10**9) == MOST


def test_a_rate_is_kept_by_all_together(puppet: MakePuppet, effects: Effects) -> None:
    """Tasks with a rate start no more often in two processes than they would in one."""
    producer = puppet("producer", task_workers=0)
    producer.tell("set_queue", name="paced", paused=True)
    # The threads of one process alone are too few for that rate, those of both are more than enough.
    tasks = [producer.submit(f"paced:{number}", "paced", 0.0, 0.22) for number in range(40)]
    first, second = puppet("first", task_workers=4), puppet("second", task_workers=4)
    producer.tell("set_queue", name="paced", paused=False)
    until(lambda: len([line for line in effects.all() if line.what == "end"]) == len(tasks), "all run")
    starts = sorted(line.at / 1e9 for line in effects.all() if line.what == "start")
    # The first one may be late, on a busy machine, by this much. If each process were for itself, the last
    # one would come nearly a second too soon.
    late = 0.5
    for number, start in enumerate(starts):
        assert start - starts[0] >= number / PER_SECOND - late, (number, start - starts[0])
    assert {line.who for line in effects.all()} == {"first", "second"}
    until(lambda: first.status(tasks[-1]) == second.status(tasks[-1]) == "completed", "both see the end")


def test_a_pause_from_another_process_takes_hold(puppet: MakePuppet, effects: Effects) -> None:
    """What is submitted to a queue that another process has paused does not start, others do; after its end
    all of it does."""
    producer = puppet("producer", task_workers=0)
    worker = puppet("worker", task_workers=2)
    effects.wait(producer.submit("before", "other"), "end")
    producer.tell("set_queue", name="other", paused=True)
    paused = [producer.submit(f"paused:{number}", "other") for number in range(10)]
    for number in range(30):
        effects.wait(producer.submit(f"open:{number}"), "end")
    assert not any(effects.of(task) for task in paused)
    puppet("late", task_workers=2)
    effects.wait(producer.submit("open-to-both"), "end")
    assert not any(effects.of(task) for task in paused)
    producer.tell("set_queue", name="other", paused=False)
    for task in paused:
        effects.wait(task, "end")
    until(lambda: all(worker.status(task) == "completed" for task in paused), "all are done")


def test_a_store_that_was_replaced_is_not_taken_for_the_old_one(
    puppet: MakePuppet, effects: Effects, home: Path
) -> None:
    """When another file takes the place of the one in use, nothing of the old one is written into it and none
    of its tasks is run; submitting is refused."""
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    maker = puppet("maker", task_workers=0, url=f"sqlite:///{elsewhere / 'tasks.db'}")
    maker.submit("of-the-new-file")
    maker.tell("stop")
    maker.kill()
    worker = puppet("worker", task_workers=1)
    worker.submit("old", "held")
    effects.wait("old")
    for file in home.glob("tasks.db-*"):
        if file.is_file():
            file.unlink()
    for file in sorted(elsewhere.glob("tasks.db*"), reverse=True):
        if file.is_file():
            shutil.copyfile(file, home / f"{file.name}.copy")
            os.replace(home / f"{file.name}.copy", home / file.name)
    until(lambda: worker.refusal("after") is not None, "submitting is refused")
    effects.let_go()
    effects.wait("old", "end")
    until(lambda: "was deleted or replaced" in worker.log.read_text(), "it is said")
    worker.kill()
    assert [(row.id, row.status) for row in read_store(home / "tasks.db").rows] == [
        ("of-the-new-file", "pending")
    ]
    assert not effects.of("of-the-new-file")


def test_two_apps_of_one_process_share_a_file(puppet: MakePuppet, effects: Effects, home: Path) -> None:
    """Each task runs once in one of them, and what one closes the other does not miss: to other processes
    it stays alive, and they leave its task alone."""
    both = puppet("both", task_workers=2)
    both.tell("open_second", task_workers=2)
    tasks = [both.submit(f"shared:{number}") for number in range(60)]
    for task in tasks:
        effects.wait(task, "end")
    held = both.submit("held", "held")
    who = effects.wait(held)
    both.tell("close_the_idle_one")
    other = puppet("other", task_workers=1)
    for number in range(10):
        effects.wait(other.submit(f"meanwhile:{number}"), "end")
    effects.let_go()
    until(lambda: other.status(held) == "completed", "it ends")
    assert len(effects.of(held)) == 1
    assert who.who == "both"
    assert all(len(effects.of(task)) == 1 for task in tasks)
