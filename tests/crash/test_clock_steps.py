"""The wall clock is set, forth and back, and the machine is suspended, while tasks wait and run."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from tests.crash.conftest import Effects, MakePuppet, needs, until

DAY = 86_400
DELAY = 0.6
# What a machine that has other things to do may take.
STALL = 10.0


@needs("gcc")
def test_no_step_of_the_clock_moves_a_task(
    puppet: MakePuppet, effects: Effects, home: Path, shim: Path
) -> None:
    """A delayed task starts neither early nor late, and one without a delay at once, after each step."""
    shift = home / "shift"

    def set_clock(seconds: float) -> None:
        with shift.open("r+b" if shift.exists() else "wb") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))

    set_clock(0)
    preload = {"LD_PRELOAD": str(shim), "CLOCK_SHIM": str(shift)}
    puppet("worker", task_workers=2, environment=preload)
    producer = puppet("producer", task_workers=0, environment=preload)
    for step in (DAY, -DAY, 1, -1):
        called = time.monotonic_ns()
        late = producer.submit(f"late:{step}", "quick", DELAY)
        set_clock(step)
        waited = (effects.wait(late).at - called) / 1e9
        assert DELAY <= waited < DELAY + STALL, (step, waited)
        called = time.monotonic_ns()
        waited = (effects.wait(producer.submit(f"now:{step}")).at - called) / 1e9
        assert waited < STALL, (step, waited)
        until(lambda late=late: producer.status(late) == "completed", "the outcome is kept")  # type: ignore[misc]
        set_clock(0)


@needs("gcc")
def test_a_step_of_the_clock_changes_no_order(
    puppet: MakePuppet, effects: Effects, home: Path, shim: Path
) -> None:
    """What was submitted while the clock was a day ahead starts before what was submitted after that."""
    shift = home / "shift"
    shift.write_bytes(struct.pack("q", DAY * 10**9))
    preload = {"LD_PRELOAD": str(shim), "CLOCK_SHIM": str(shift)}
    producer = puppet("producer", task_workers=0, environment=preload)
    tasks = [producer.submit(f"ahead:{number}") for number in range(3)]
    with shift.open("r+b") as file:
        file.write(struct.pack("q", 0))
    tasks += [producer.submit(f"after:{number}") for number in range(3)]
    puppet("worker", task_workers=1, environment=preload)
    for task_id in tasks:
        effects.wait(task_id)
    assert [line.id for line in effects.all() if line.what == "start"] == tasks


@needs("gcc")
def test_what_was_due_while_the_machine_slept_runs_when_it_wakes(
    puppet: MakePuppet, effects: Effects, home: Path, shim: Path
) -> None:
    """After a suspend of an hour a task that became due meanwhile starts at once, one that did not does not,
    and the one that was running is nobody else's."""
    shift = home / "shift"
    shift.write_bytes(struct.pack("qq", 0, 0))
    preload = {"LD_PRELOAD": str(shim), "CLOCK_SHIM": str(shift)}
    puppet("worker", task_workers=2, environment=preload)
    producer = puppet("producer", task_workers=1, environment=preload)
    producer.submit("running", "slow", 0.0, 1.0)
    effects.wait("running")
    producer.submit("due", "quick", 3000.0)
    producer.submit("not-due", "quick", 7200.0)
    slept = time.monotonic_ns()
    with shift.open("r+b") as file:
        file.write(struct.pack("qq", 3600 * 10**9, 3600 * 10**9))
    assert (effects.wait("due").at - slept) / 1e9 < STALL
    until(lambda: producer.status("running") == "completed", "the running one ends")
    assert producer.status("not-due") == "pending"
    assert [len(effects.of(task_id)) for task_id in ("running", "due", "not-due")] == [1, 1, 0]
