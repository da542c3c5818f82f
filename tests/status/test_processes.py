"""The status of a task over real sockets: one process serves, another one runs the tasks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.journeys.running import Program, until, write

APP = """
import os, time
from hypern import Hypern, TaskRoutes, current_task

app = Hypern(task_store=os.environ["STORE"])
app.use(TaskRoutes("/tasks", streams_per_client=int(os.environ["STREAMS"])))

@app.background()
def steps(directory, number):
    for step in range(number):
        while not os.path.exists(f"{directory}/step{step}"):
            time.sleep(0.002)
        current_task().progress((step + 1) / number)
    return number

@app.post("/steps")
def submit(req, res, ctx):
    res.accepted(steps(req.json()["directory"], req.json()["number"]))

@app.get("/waiting")
def waiting(req, res, ctx):
    res.json(len(app.engine.changes._waiting))

app.listen(int(os.environ["PORT"]), task_processes=1)
"""


STREAMS = 20


@pytest.fixture(params=["sqlite", "postgres"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    store = "sqlite:///tasks.db?synchronous=normal"
    if request.param == "postgres":
        store = request.getfixturevalue("postgres_url")
    write(tmp_path, {"app.py": APP})
    with Program(tmp_path, environment={"STORE": store, "STREAMS": str(STREAMS)}) as started:
        yield started


def begin(program: Program, number: int = 1) -> Any:
    answer = program.http.post("/steps", json={"directory": str(program.directory), "number": number})
    assert answer.status_code == 202
    return answer.json()


def let_go(program: Program, step: int) -> None:
    (program.directory / f"step{step}").touch()


class Stream:
    """Events of a task as they come, read in a thread."""

    def __init__(self, program: Program, url: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._url = f"http://127.0.0.1:{program.port}{url}/events"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with httpx2.stream("GET", self._url, timeout=30) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self.events.append(json.loads(line[6:]))

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        until(lambda: any(holds(event) for event in list(self.events)))

    def wait_for_end(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_events_cross_processes(program: Program) -> None:
    """Each step that another process takes is pushed, in order, and after the last event the stream ends."""
    task = begin(program, 3)
    stream = Stream(program, task["url"])
    stream.until(lambda event: event["status"] == "running")
    for step in range(3):
        let_go(program, step)
        if step < 2:
            stream.until(
                lambda event, step=step: (
                    event["progress"] is not None and event["progress"]["fraction"] == (step + 1) / 3
                )
            )
    stream.wait_for_end()
    last = stream.events[-1]
    assert (last["status"], last["result"]) == ("completed", 3)
    assert all(event["status"] != "completed" for event in stream.events[:-1])
    assert [
        event
        for event, following in zip(stream.events, stream.events[1:], strict=False)
        if event == following
    ] == []


def test_a_wait_ends_with_the_change(program: Program) -> None:
    """`Prefer: wait=` is answered when another process has ended the task, long before the wait is over."""
    task = begin(program)
    until(lambda: program.get(task["url"])["status"] == "running")
    answers: list[tuple[float, Any]] = []

    def ask() -> None:
        began = time.monotonic()
        answer = httpx2.get(
            f"http://127.0.0.1:{program.port}{task['url']}", headers={"Prefer": "wait=20"}, timeout=30
        )
        answers.append((time.monotonic() - began, answer.json()))

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: program.get("/waiting") == 1)
    let_go(program, 0)
    asking.join(30)
    took, answer = answers[0]
    assert answer["status"] in ("running", "completed")
    assert took < 15


def test_a_task_is_shown_and_cancelled(program: Program) -> None:
    """A task that another process runs is shown, told to stop, and shown to have ended; with an ETag."""
    task = begin(program)
    until(lambda: program.get(task["url"])["status"] == "running")
    first = program.http.get(task["url"])
    again = program.http.get(task["url"], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    told = program.http.delete(task["url"])
    assert (told.status_code, told.json()["cancel_requested"]) == (202, True)
    let_go(program, 0)
    until(lambda: program.get(task["url"])["finished_at"] is not None)
    assert program.http.delete(task["url"]).status_code == 409
    assert program.http.get("/tasks/unknown").status_code == 404


def test_streams_of_one_address_are_bounded(program: Program) -> None:
    """Beyond so many of one address a stream gets 429, a wait an answer at once; one that ends makes room."""
    task = begin(program)
    with (
        httpx2.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=20) as client,
        ExitStack() as open_,
    ):
        for number in range(STREAMS):
            open_.enter_context(client.stream("GET", f"{task['url']}/events"))
            until(lambda expected=number + 1: program.get("/waiting") == expected)
        refused = program.http.get(f"{task['url']}/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert f"{STREAMS} tasks" in refused.json()["message"]
        waiting = program.http.get(task["url"], headers={"Prefer": "wait=20"})
        assert (waiting.status_code, "preference-applied" in waiting.headers) == (200, False)
        open_.close()
    until(lambda: program.get("/waiting") == 0)
    let_go(program, 0)
    stream = Stream(program, task["url"])
    stream.wait_for_end()
    assert stream.events


def test_streams_that_come_together_are_bounded(program: Program) -> None:
    """However many ask at the same moment, no more than the bound are let in; all the others are told."""
    task = begin(program)
    request = f"GET {task['url']}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with ExitStack() as open_:
        asking = [
            open_.enter_context(socket.create_connection(("127.0.0.1", program.port), 20))
            for _ in range(3 * STREAMS)
        ]
        for one in asking:
            one.sendall(request)
        codes = Counter(one.recv(12)[-3:] for one in asking)
    assert codes == {b"200": STREAMS, b"429": 2 * STREAMS}
    let_go(program, 0)


def test_who_has_left_is_forgotten(program: Program) -> None:
    """Clients that break off their streams leave nobody waiting behind."""
    task = begin(program)
    with httpx2.Client(base_url=f"http://127.0.0.1:{program.port}", timeout=20) as client:
        for _ in range(5):
            with client.stream("GET", f"{task['url']}/events") as answer:
                lines = answer.iter_lines()  # what is not held is closed, and the answer with it
                assert next(lines)
                until(lambda: program.get("/waiting") >= 1)
    until(lambda: program.get("/waiting") == 0)
    let_go(program, 0)


def test_a_stop_waits_for_nobody_who_only_waits(program: Program) -> None:
    """When the server stops, streams end and waits are answered at once with what is known."""
    task = begin(program)
    stream = Stream(program, task["url"])
    stream.until(lambda event: event["status"] == "running")
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            httpx2.get(
                f"http://127.0.0.1:{program.port}{task['url']}", headers={"Prefer": "wait=25"}, timeout=30
            )
        )
    )
    asking.start()
    until(lambda: program.get("/waiting") == 2)
    let_go(program, 0)
    program.signal()
    asking.join(30)
    assert answers[0].status_code == 200
    stream.wait_for_end()
