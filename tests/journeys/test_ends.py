"""How a program with tasks ends: told to, interrupted, killed, or never begun because its port is taken."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable

import httpx2
import pytest
from tests.journeys.running import APP, Program, until
from tests.journeys.workshop import WORKSHOP

Serve = Callable[..., Program]
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@SIGNALS
@pytest.mark.parametrize(("job", "done"), [("saw", "sawed oak in two"), ("glue", "glued oak in two")])
def test_what_runs_is_finished_before_the_end(serve: Serve, number: int, job: str, done: str) -> None:
    """SIGTERM and Ctrl-C: no new connections, the running function or coroutine ends, then exit 0."""
    with serve(WORKSHOP) as workshop:
        workshop.post(f"/jobs/{job}", board="oak")
        workshop.wait_for_output("began oak")
        workshop.signal(number)
        workshop.wait_until_deaf()
        assert done not in workshop.output
        workshop.tell("in two")
        workshop.wait_for_end()
        assert done in workshop.output
        assert "not finished" not in workshop.errors


def test_what_waits_for_a_worker_is_finished_before_the_end(serve: Serve) -> None:
    """SIGTERM with one busy worker: the tasks behind it that are due still run, each once."""
    with serve(WORKSHOP, WORKERS="1") as workshop:
        workshop.post("/jobs/saw", board="oak")
        workshop.wait_for_output("began oak")
        for board in ("ash", "elm", "fir"):
            workshop.post("/jobs/stack", board=board)
        workshop.signal()
        workshop.wait_until_deaf()
        workshop.tell("in two")
        workshop.wait_for_end()
        assert workshop.output.splitlines()[-3:] == ["stacked ash", "stacked elm", "stacked fir"]
        assert "not finished" not in workshop.errors


@SIGNALS
def test_what_is_not_due_is_named_at_the_end(serve: Serve, number: int) -> None:
    """SIGTERM and Ctrl-C with delayed tasks: not waited for, not run, each named once on stderr, exit 0."""
    with serve(WORKSHOP) as workshop:
        ids = [workshop.post("/jobs/varnish", board=board)["task_id"] for board in ("oak", "ash")]
        workshop.signal(number)
        workshop.wait_for_end()
        assert "2 background tasks were not finished" in workshop.errors
        for task_id in ids:
            assert workshop.errors.count(f":varnish {task_id} (pending)") == 1
        assert "varnished" not in workshop.output


def test_without_tasks_the_end_is_silent(serve: Serve) -> None:
    """SIGTERM to a program that has nothing to do: exit 0 and not a word on stderr."""
    with serve(WORKSHOP) as workshop:
        task_id = workshop.post("/jobs/measure", board="oak")["task_id"]
        workshop.ended(f"/tasks/{task_id}")
        workshop.stop()
        assert workshop.errors == ""


def test_a_second_program_does_not_share_the_port(serve: Serve) -> None:
    """Listening where another program does: exit 1, the last line says which port and what to do."""
    with serve(WORKSHOP) as workshop:
        second = subprocess.run(
            APP,
            cwd=workshop.directory,
            env={**os.environ, "PORT": str(workshop.port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert "listening" not in second.stdout
        last = second.stderr.splitlines()[-1]
        assert f"cannot listen on 127.0.0.1:{workshop.port}" in last
        assert "choose another port" in last
        task_id = workshop.post("/jobs/measure", board="oak")["task_id"]
        assert workshop.ended(f"/tasks/{task_id}")["result"] == 3


class Customers:
    """Four clients that order one job after another, until the server is gone."""

    def __init__(self, port: int, job: str) -> None:
        self._job = job
        self._address = f"http://127.0.0.1:{port}"
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._order) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _order(self) -> None:
        with httpx2.Client(base_url=self._address, timeout=20) as client:
            while True:
                try:
                    answer = client.post(f"/jobs/{self._job}", json={"board": "oak"})
                except httpx2.TransportError:
                    return
                if answer.status_code == 202:
                    self.ids.append(answer.json()["task_id"])
                else:
                    self.wrong.append(f"{answer.status_code} {answer.text}")


def test_after_being_killed_under_load_it_serves_again(serve: Serve) -> None:
    """kill -9 while requests run: started again on the same port it serves, what memory held is unknown."""
    with serve(WORKSHOP, status=-signal.SIGKILL) as workshop:
        customers = Customers(workshop.port, "measure")
        until(lambda: len(customers.ids) >= 100 or customers.wrong)
        waiting = workshop.post("/jobs/varnish", board="oak")["task_id"]
        workshop.kill()
        customers.wait()
        assert customers.wrong == []
        assert len(set(customers.ids)) == len(customers.ids)
    with serve(WORKSHOP, PORT=str(workshop.port)) as again:
        assert again.port == workshop.port
        for lost in (waiting, customers.ids[0], customers.ids[-1]):
            assert again.http.get(f"/tasks/{lost}").status_code == 404
        task_id = again.post("/jobs/measure", board="oak")["task_id"]
        assert task_id not in customers.ids
        assert again.ended(f"/tasks/{task_id}") == {"status": "completed", "result": 3}


def test_told_to_end_under_load_every_accepted_job_is_done(serve: Serve) -> None:
    """SIGTERM while requests run, the only worker busy: each job that got an id is done, then exit 0."""
    with serve(WORKSHOP, WORKERS="1") as workshop:
        workshop.post("/jobs/saw", board="ash")
        workshop.wait_for_output("began ash")
        customers = Customers(workshop.port, "stack")
        until(lambda: len(customers.ids) >= 100 or customers.wrong)
        workshop.signal()
        workshop.wait_until_deaf()
        customers.wait()
        workshop.tell("in two")
        workshop.wait_for_end()
        # The answer to a job may have been lost on its way.
        assert workshop.output.count("stacked oak") >= len(customers.ids)
        assert [wrong for wrong in customers.wrong if not wrong.startswith("503 ")] == []
        assert workshop.errors == ""
