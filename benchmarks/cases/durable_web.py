"""How quickly a light route answers while tasks compute: in a process of their own, and beside the server."""

import http.client
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases.durable import cell
from benchmarks.cases.http import UVICORN
from benchmarks.environments import OURS
from benchmarks.processes import ContenderError, Figures, serving, work_directory
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

PER_SECOND = 50
WARM_UP = 50
TASKS_PER_SECOND = 40
TASKS_START_WITHIN = 10.0

APART = "**Hypern**, tasks in a process of their own"
BESIDE = "**Hypern**, tasks in a thread of the server"
FASTAPI = "FastAPI, BackgroundTasks"


@dataclass(frozen=True)
class Server:
    environment: str
    arguments: Sequence[str]


SERVERS = {
    APART: Server(
        OURS, ("-m", "hypern", "run", "durable_web:app", "--port", "{port}", "--task-processes", "1")
    ),
    BESIDE: Server(OURS, ("durable_web.py", "{port}")),
    FASTAPI: Server("fastapi", (*UVICORN, "durable_web_fastapi:app")),
}
ENVIRONMENTS = {server.environment for server in SERVERS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2


def run(rounds: int, quick: bool) -> Report:
    seconds = 4 if quick else 10

    def measure(name: str) -> Figures:
        server = SERVERS[name]
        with work_directory() as directory:
            variables = {"BENCH_DIRECTORY": str(directory)}
            with serving(server.environment, server.arguments, variables) as port:
                return measure_server(port, directory / "runs", seconds)

    measured = interleave(list(SERVERS), rounds, measure)
    columns = ("idle_p50_ms", "idle_p99_ms", "busy_p50_ms", "busy_p99_ms")
    return Report(
        title="Durable: a light route while tasks compute",
        note=f"GET of a small JSON, {PER_SECOND} a second for {seconds} s on one connection, timed from when "
        "each should have been sent; first with no task, then while tasks of 50 ms of processor time run "
        "without pause, one at a time.",
        header=("server", "idle: p50 ms", "p99 ms", "tasks computing: p50 ms", "p99 ms", "tasks/s meanwhile"),
        rows=[
            (
                name,
                *(cell(measured, name, figure, 2) for figure in columns),
                cell(measured, name, "tasks_per_second", 1),
            )
            for name in SERVERS
        ],
        targets=[
            Target(
                "tasks in a process of their own: p99 while they compute ÷ idle",
                measured.values(APART, "growth"),
                2,
                False,
            ),
        ],
        measured=measured,
    )


def measure_server(port: int, runs: Path, seconds: float) -> Figures:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    ask(client, WARM_UP)
    requests = int(PER_SECOND * seconds)
    idle = ask(client, requests)
    post(client, f"/burn/{int(TASKS_PER_SECOND * (seconds + TASKS_START_WITHIN))}")
    wait_for_first(runs)
    before, begin = runs.stat().st_size, time.monotonic()
    busy = ask(client, requests)
    tasks = (runs.stat().st_size - before) / (time.monotonic() - begin)
    return {
        "idle_p50_ms": idle[0],
        "idle_p99_ms": idle[1],
        "busy_p50_ms": busy[0],
        "busy_p99_ms": busy[1],
        "growth": busy[1] / idle[1],
        "tasks_per_second": tasks,
    }


def ask(client: http.client.HTTPConnection, count: int) -> tuple[float, float]:
    """p50 and p99 of `count` requests at an even pace, in milliseconds. Raises ContenderError."""
    milliseconds = []
    begin = time.perf_counter()
    for number in range(count):
        planned = begin + number / PER_SECOND
        time.sleep(max(0.0, planned - time.perf_counter()))
        client.request("GET", "/light")
        read(client)
        milliseconds.append((time.perf_counter() - planned) * 1e3)
    milliseconds.sort()
    return milliseconds[count // 2], milliseconds[int(count * 0.99)]


def post(client: http.client.HTTPConnection, path: str) -> None:
    client.request("POST", path)
    read(client)


def read(client: http.client.HTTPConnection) -> None:
    try:
        answer = client.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ContenderError(f"the server did not answer: {error}") from error
    if answer.status != 200:
        raise ContenderError(f"the server answered {answer.status}")


def wait_for_first(runs: Path) -> None:
    give_up = time.monotonic() + TASKS_START_WITHIN
    while runs.stat().st_size == 0:
        if time.monotonic() > give_up:
            raise ContenderError(f"no task had run after {TASKS_START_WITHIN:.0f} s")
        time.sleep(0.01)
