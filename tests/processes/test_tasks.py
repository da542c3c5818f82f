"""Tasks in processes of their own: `hypern worker`, `--task-processes`, and several web processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.processes.running import HYPERN, Running, is_gone, until

Start = Callable[..., Running]

SOURCE = """
import os, time
from hypern import Hypern, background, current_task, get_task

app = Hypern(task_store="sqlite:///tasks.db", task_workers=2, task_grace_seconds=GRACE)

@background()
def where():
    return os.getpid()

@background(queue="mail")
def mail():
    return os.getpid()

@background(timeout=None)
def slow():
    print("slow began", os.getpid(), flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "finished"

@app.get("/pid")
def pid(req, res, ctx):
    return str(os.getpid())

@app.post("/tasks/:name")
def submit(req, res, ctx):
    return {"id": {"where": where, "mail": mail, "slow": slow}[req.param("name")]()}

@app.get("/tasks/:id")
def look_up(req, res, ctx):
    task = get_task(req.param("id"))
    return {"status": task.status.value, "result": task.result, "attempt": task.attempt}

app.on_startup(lambda: print("serving", os.getpid(), flush=True))
app.on_shutdown(lambda: print("shutdown", os.getpid(), flush=True))
"""

RUN = (*HYPERN, "run", "app:app", "--port", "0")
WORKER = (*HYPERN, "worker", "app:app")


def source(grace: float = 60) -> str:
    return SOURCE.replace("GRACE", str(grace))


def serve(start: Start, program: str, *options: str) -> Running:
    """A program that serves, when it does."""
    running = start(program, *RUN, *options)
    running.wait_for("listening")
    return running


def submit(program: Running, name: str) -> str:
    """The id of a task that one of the web processes has taken."""
    with program.connect() as connection:
        connection.send(f"POST /tasks/{name} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
        return str(json.loads(connection.read_reply().body)["id"])


def task(program: Running, task_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(program.get(f"/tasks/{task_id}").body)
    return answer


def ended(program: Running, task_id: str) -> dict[str, Any]:
    """What any of the web processes says of the task when it has ended."""
    return until(
        lambda: found if (found := task(program, task_id))["status"] not in ("pending", "running") else None
    )


def test_web_processes_know_each_others_tasks(start: Start) -> None:
    """A task that one has taken can be looked up at each."""
    program = start(source(), *RUN, "--workers", "2")
    children = program.children(2)
    result = ended(program, submit(program, "where"))
    assert result["status"] == "completed"
    assert result["result"] in children
    program.signal()
    assert program.wait() == 0
    assert "Traceback" not in program.output


@pytest.mark.parametrize("by", ["command line", "program"])
def test_task_processes_run_the_tasks_and_web_processes_none(start: Start, tmp_path: Path, by: str) -> None:
    """However they were asked for; one that is killed is replaced, and its task begins anew elsewhere."""
    if by == "program":
        program = start(source() + "if __name__ == '__main__': app.listen(0, task_processes=1)\n")
    else:
        program = start(source(), *RUN, "--task-processes", "1")
    web, worker = program.children(2)
    assert program.wait_for("listening").endswith("with 1 web and 1 task process")
    assert program.pid() == web
    for _ in range(5):
        assert ended(program, submit(program, "where"))["result"] == worker
    task_id = submit(program, "slow")
    program.wait_for(f"slow began {worker}")
    os.kill(worker, signal.SIGKILL)
    replacement = program.children(3)[2]
    program.wait_for(f"slow began {replacement}")
    (tmp_path / "go").touch()
    assert ended(program, task_id)["result"] == "finished"
    assert program.pid() == web
    program.signal()
    assert program.wait() == 0


def test_a_worker_takes_what_others_submit(start: Start) -> None:
    """A line at the start and one at the end; status 0; hooks run as they do where the app is served."""
    web = serve(start, source())
    worker = start(source(), *WORKER, "--concurrency", "1")
    worker.wait_for("Hypern worker runs the tasks of app:app")
    found = {ended(web, submit(web, "where"))["result"] for _ in range(3)}
    assert found <= {web.process.pid, worker.process.pid}
    web.signal()
    assert web.wait() == 0
    worker.signal()
    assert worker.wait() == 0
    assert worker.lines == [
        f"serving {worker.process.pid}",
        "Hypern worker runs the tasks of app:app: all queues, 1 thread",
        f"shutdown {worker.process.pid}",
        "Hypern worker stopped",
    ]


def test_a_worker_for_some_queues_leaves_the_others(start: Start) -> None:
    """With an app that only submits, tasks of no named queue wait."""
    only_submits = source().replace("task_workers=2", "task_workers=0")
    web = serve(start, only_submits)
    worker = start(only_submits, *WORKER, "--queues", "mail,reports")
    worker.wait_for("queues mail, reports, 4 threads")
    left = submit(web, "where")
    assert ended(web, submit(web, "mail"))["result"] == worker.process.pid
    assert task(web, left)["status"] == "pending"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_finishes_what_it_has_begun(start: Start, tmp_path: Path, number: int) -> None:
    """Within the grace; others look it up."""
    only_submits = source().replace("task_workers=2", "task_workers=0")
    web = serve(start, only_submits)
    worker = start(only_submits, *WORKER, "--concurrency", "1")
    task_id = submit(web, "slow")
    worker.wait_for("slow began")
    worker.signal(number)
    (tmp_path / "go").touch()
    assert worker.wait() == 0
    assert task(web, task_id)["result"] == "finished"


def test_a_second_signal_ends_a_worker_at_once(start: Start, tmp_path: Path) -> None:
    """However long the grace would have been, with status 0; the next worker runs what was not finished."""
    only_submits = source(grace=3600).replace("task_workers=2", "task_workers=0")
    web = serve(start, only_submits)
    worker = start(only_submits, *WORKER)
    task_id = submit(web, "slow")
    worker.wait_for("slow began")
    # The system merges signals that come together: repeated until it has seen two.
    while "shutdown" not in worker.output:
        worker.signal()
        try:
            worker.wait_for("shutdown", seconds=0.2)
        except AssertionError:
            assert worker.process.poll() is None
    assert worker.wait() == 0
    (tmp_path / "go").touch()
    start(only_submits, *WORKER)
    assert ended(web, task_id)["result"] == "finished"


def test_a_task_process_does_not_outlive_a_killed_parent(start: Start, tmp_path: Path) -> None:
    """It finishes the task that it is at, and ends."""
    program = start(source(), *RUN, "--task-processes", "1")
    children = program.children(2)
    task_id = submit(program, "slow")
    program.wait_for("slow began")
    program.signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    until(lambda: all(is_gone(child) for child in children))
    web = serve(start, source())
    assert task(web, task_id)["result"] == "finished"


def test_a_task_submitted_before_listen_runs_where_tasks_run(start: Start) -> None:
    """Each run of the program submits its own; the parent runs none."""
    program = start(
        source()
        + "if __name__ == '__main__':\n"
        + "    early = where()\n"
        + "    app.get('/early')(lambda req, res, ctx: {'id': early})\n"
        + "    app.listen(0, task_processes=1)\n"
    )
    _, worker = program.children(2)
    assert ended(program, json.loads(program.get("/early").body)["id"])["status"] == "completed"
    assert ended(program, submit(program, "where"))["result"] == worker
    program.signal()
    assert program.wait() == 0
