"""A program that forks while it has the store open, as servers do that load the app before they fork."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from crash.fleet import ROOT
from crash.rows import read_store
from crash.surroundings import HOME, STORE, WHO
from tests.crash.conftest import Effects, until

HEAD = """
import os, signal, sys, time
from pathlib import Path
import crash.tasks
from crash.surroundings import Surroundings
from hypern import Hypern
home = Surroundings.read().home
app = Hypern(task_store=Surroundings.read().store, task_workers=2)
def submit(task_id, delay=0.0):
    return app.submit_task(crash.tasks.quick, args=(task_id,), task_id=task_id, delay_seconds=delay)
def ended(ids):
    give_up = time.monotonic() + 20
    while not all(app.get_task(task_id).is_done() for task_id in ids):
        assert time.monotonic() < give_up, ids
        time.sleep(0.01)
"""

OUTLIVING = """
submit("before", 60.0)
if os.fork() == 0:
    # The end of the pipe is the end of the parent.
    sys.stdin.read()
    acked = [submit(f"after:{number}", 60.0) for number in range(10)]
    (home / "new").write_text(" ".join(acked))
    (home / "new").rename(home / "acked")
    os.kill(os.getpid(), signal.SIGKILL)
app.engine.stop()
"""

BUSY = """
mine = [submit(f"parent:{number}") for number in range(20)]
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        mine = [submit(f"child{child}:{number}") for number in range(20)]
        ended(mine)
        app.engine.stop()
        os._exit(0)
    children.append(pid)
mine += [submit(f"parent:{number}") for number in range(20, 40)]
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
ended(mine)
app.engine.stop()
sys.exit(any(codes))
"""


def start(home: Path, source: str) -> subprocess.Popen[bytes]:
    """Run `source`, after `HEAD`, as a program whose output goes to a file."""
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HEAD + source],
            cwd=ROOT,
            env={**os.environ, HOME: str(home), STORE: f"sqlite:///{home / 'tasks.db'}", WHO: "parent"},
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def end(program: subprocess.Popen[bytes]) -> None:
    """Leave neither it nor its children behind."""
    try:
        os.killpg(program.pid, 9)
    except ProcessLookupError:
        pass
    program.wait()
    assert program.stdin is not None
    program.stdin.close()


def test_what_a_child_submits_after_its_parents_end_is_kept(home: Path) -> None:
    """A parent that ends in order takes nothing away from the store that its child goes on using."""
    program = start(home, OUTLIVING)
    try:
        assert program.wait(20) == 0, (home / "log").read_text()
        assert program.stdin is not None
        program.stdin.close()
        until((home / "acked").exists, "the child has submitted")
        acked = (home / "acked").read_text().split()
    finally:
        end(program)
    snapshot = read_store(home / "tasks.db")
    assert snapshot.integrity == "ok"
    assert {"before", *acked} <= {row.id for row in snapshot.rows}


def test_a_fork_amid_work_holds_up_nobody(home: Path, effects: Effects) -> None:
    """Parent and children that were forked while tasks were written all go on; each task runs once."""
    program = start(home, BUSY)
    try:
        assert program.wait(40) == 0, (home / "log").read_text()
    finally:
        end(program)
    starts = Counter(line.id for line in effects.all() if line.what == "start")
    assert len(starts) == 100
    assert set(starts.values()) == {1}
    assert {row.status for row in read_store(home / "tasks.db").rows} == {"completed"}
