"""Tasks from Flask, served by gunicorn's processes."""

from __future__ import annotations

import os
import signal

import pytest
from tests.integrations.conftest import Start
from tests.journeys.running import GUNICORN, until

FLASK = {
    "tasks.py": """
        import os
        import time
        from pathlib import Path

        from hypern import background

        @background()
        def measure(board: str) -> list:
            with Path("journal.txt").open("a") as journal:
                journal.write(board + os.linesep)
            return [board, len(board)]

        @background()
        def hold(board: str) -> list:
            while not Path("go").exists():
                time.sleep(0.01)
            return measure.func(board)
    """,
    "app.py": """
        import os

        from flask import Flask
        from tasks import hold, measure

        import hypern

        hypern.configure(task_store=os.environ.get("STORE", "sqlite:///tasks.db"), task_grace_seconds=5)
        app = Flask(__name__)
        # In one that forks after this, gunicorn --preload.
        early = measure("early")

        @app.post("/measure/<board>")
        def submit(board):
            return {"task_id": measure(board), "process": os.getpid()}

        @app.post("/hold/<board>")
        def submit_long(board):
            return {"task_id": hold(board)}

        @app.get("/tasks/<task_id>")
        def look(task_id):
            task = hypern.get_task(task_id)
            return {"status": task.status, "result": task.result, "process": os.getpid()}
    """,
    "gunicorn.conf.py": """
        def post_worker_init(worker):
            import hypern

            hypern.start_workers()
    """,
}


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["forked first", "preloaded"])
def test_two_processes(start: Start, options: list[str]) -> None:
    """Any process answers for the tasks of any other, with --preload too."""
    with start(FLASK, [*GUNICORN, "--workers", "2", "--threads", "2", *options]) as program:
        ids = [program.post(f"/measure/oak{number}")["task_id"] for number in range(20)]
        for number, task_id in enumerate(ids):
            board = f"oak{number}"
            assert program.ended(f"/tasks/{task_id}")["result"] == [board, len(board)]
        journal = program.directory / "journal.txt"
        early = 1 if options else 2
        until(lambda: journal.read_text().split().count("early") == early)


def test_killed_while_it_serves(start: Start) -> None:
    """kill -9 of all processes: what had been submitted is run by the next ones, before any request."""
    program = start(FLASK, [*GUNICORN, "--workers", "2", "--threads", "2"])
    ids = [program.post(f"/hold/ash{number}")["task_id"] for number in range(12)]
    program.runs(f"/tasks/{ids[0]}")
    program.http.close()
    program.kill()
    (program.directory / "go").touch()
    with start({}, [*GUNICORN, "--workers", "2"]) as program:
        done = {f"ash{number}" for number in range(12)}
        until(lambda: done <= set((program.directory / "journal.txt").read_text().split()))
        assert all(program.ended(f"/tasks/{task_id}")["status"] == "completed" for task_id in ids)


def test_in_memory_of_one_process(start: Start) -> None:
    """memory:// with one process of several threads; SIGTERM lets the running task end."""
    environment = {"STORE": "memory://"}
    with start(FLASK, [*GUNICORN, "--threads", "4"], environment=environment) as program:
        held = program.post("/hold/elm")["task_id"]
        program.runs(f"/tasks/{held}")
        os.killpg(program.process.pid, signal.SIGTERM)
        program.wait_until_deaf()
        (program.directory / "go").touch()
        program.wait_for_end()
        assert "elm" in (program.directory / "journal.txt").read_text()
