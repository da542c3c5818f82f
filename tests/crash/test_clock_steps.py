"""The wall clock is set, by a second and by a day, forth and back, while tasks wait and run."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from tests.crash.conftest import Effects, MakePuppet, needs, until

DAY = 86_400
DELAY = 0.6
STALL = 2.0
SOURCE = Path(__file__).with_name("clock_shim.c")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that shifts the wall clock of the process that it is preloaded into."""
    library = tmp_path_factory.mktemp("shim") / "clock_shim.so"
    compiler = shutil.which("gcc")
    assert compiler is not None
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    return library


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
