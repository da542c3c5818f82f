"""Workers that are stopped, killed, told to end or forked: each task runs once, or again, never twice."""

from __future__ import annotations

import signal
import time

import pytest
from tests.crash.conftest import Effects, MakePuppet, until

# Two seconds, and eight more on a machine that has other things to do.
RECOVERED_WITHIN = 10.0
# Longer than a dead worker's task waits for its next one.
STOPPED_FOR = 2.0


def test_a_stopped_worker_keeps_its_task(puppet: MakePuppet, effects: Effects) -> None:
    """While a worker is stopped (SIGSTOP) nobody takes over its task, and it ends it when it goes on."""
    stopped = puppet("stopped", task_workers=1)
    stopped.submit("held", "held")
    effects.wait("held")
    stopped.signal(signal.SIGSTOP)
    other = puppet("other", task_workers=1)
    since, number = time.monotonic(), 0
    while time.monotonic() < since + STOPPED_FOR:
        number += 1
        effects.wait(other.submit(f"meanwhile:{number}"), "end")
    assert other.status("held") == "running"
    effects.let_go()
    stopped.signal(signal.SIGCONT)
    until(lambda: other.status("held") == "completed", "the stopped worker ends its task")
    assert [line.who for line in effects.of("held")] == ["stopped"]


def test_a_killed_workers_task_is_run_by_another(puppet: MakePuppet, effects: Effects) -> None:
    """Two seconds after a worker was killed at the latest, another one has begun its task."""
    killed, other = puppet("killed", task_workers=1), puppet("other", task_workers=1)
    killed.submit("long", "held")
    first = effects.wait("long").who
    victim, left = (killed, other) if first == "killed" else (other, killed)
    at = time.monotonic_ns()
    victim.kill()
    again = effects.wait("long", times=2, within=RECOVERED_WITHIN)
    assert again.who != first
    assert (again.at - at) / 1e9 < RECOVERED_WITHIN
    effects.let_go()
    until(lambda: left.status("long") == "completed", "it ends")


def test_a_child_that_a_task_left_behind_holds_up_nothing(puppet: MakePuppet, effects: Effects) -> None:
    """A worker is known to be dead although a process that it forked still lives."""
    killed = puppet("killed", task_workers=1)
    killed.submit("forking", "parent", 0.0, 2 * RECOVERED_WITHIN)
    effects.wait("forking", "forked")
    killed.process.kill()
    killed.process.wait()
    puppet("other", task_workers=1)
    assert effects.wait("forking", times=2, within=RECOVERED_WITHIN).who == "other"


def test_a_forked_child_of_a_task_uses_the_store_on_its_own(puppet: MakePuppet, effects: Effects) -> None:
    """A child can submit, and its parent's task, connection and hold on it are as they were."""
    worker, other = puppet("worker", task_workers=1), puppet("other", task_workers=1)
    worker.submit("family", "parent_of_submitter")
    until(lambda: worker.status("family") == "completed", "the parent ends")
    assert worker.tell("get", task_id="family")[1] == 0
    until(lambda: other.status("family-child") == "completed", "the child's task ends")
    worker.submit("afterwards")
    until(lambda: other.status("afterwards") == "completed", "a task after the fork ends")
    assert [len(effects.of(task_id)) for task_id in ("family", "family-child", "afterwards")] == [1, 1, 1]


@pytest.mark.parametrize("grace", [10.0, 0.0])
def test_sigterm_between_claim_and_start_loses_nothing(
    puppet: MakePuppet, effects: Effects, grace: float
) -> None:
    """A task that was claimed but not begun when SIGTERM came runs within the grace, or elsewhere."""
    told = puppet("told", task_workers=1, task_grace_seconds=grace)
    told.tell("signal_between_claim_and_start", number=signal.SIGTERM, seconds=0.3)
    told.ask("submit", task_id="claimed", kind="quick", delay=0.0, args=())
    told.process.wait(20)
    assert [line.who for line in effects.of("claimed", "claimed")] == ["told"]
    other = puppet("other", task_workers=1)
    until(lambda: other.status("claimed") == "completed", "it is run")
    assert len(effects.of("claimed")) == 1


def test_tasks_start_in_the_order_in_which_they_were_submitted(puppet: MakePuppet, effects: Effects) -> None:
    """Also when the worker is killed half way through and another one goes on."""
    producer = puppet("producer", task_workers=0)
    tasks = [producer.submit(f"t:{number:02}", "slow", 0.0, 0.01) for number in range(40)]
    first = puppet("first", task_workers=1)
    effects.wait(tasks[10])
    first.kill()
    puppet("second", task_workers=1)
    effects.wait(tasks[-1])
    begun = list(dict.fromkeys(line.id for line in effects.all() if line.what == "start"))
    assert begun == tasks
