"""What many open streams of task events cost: while nothing changes, and while the engine is at work."""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.environments import OURS
from benchmarks.processes import ContenderError, Figures, serving, work_directory
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

STREAMS = 1000
OPEN_WITHIN = 30.0
STORES = {
    "memory": "memory://",
    "SQLite": "sqlite:///{directory}/hypern.db",
}
# A batch in memory has so many times as many tasks.
IN_MEMORY = 10
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 5, 2


def run(rounds: int, quick: bool) -> Report:
    seconds, tasks, turns = (3.0, 5_000, 6) if quick else (10.0, 10_000, 10)

    def measure(name: str) -> Figures:
        with work_directory() as directory:
            store = STORES[name].format(directory=directory)
            batch = tasks * (IN_MEMORY if name == "memory" else 1)
            with serving(OURS, ("streams.py", "{port}", store)) as port:
                return measure_server(port, seconds, batch, turns)

    measured = interleave(list(STORES), rounds, measure)
    rows = [
        (
            name,
            *(spread(measured.values(name, figure), "", 2) for figure in ("idle_percent", "open_percent")),
            *(spread(measured.values(name, figure), "", 0) for figure in ("tasks_alone", "tasks_followed")),
            spread(measured.values(name, "kept"), "", 2),
        )
        for name in STORES
    ]
    targets = [
        target
        for name in STORES
        for target in (
            Target(f"{name}: a core's percent for {STREAMS} streams while nothing changes",
                   measured.values(name, "cost_percent"), 10, False, " %"),
            Target(f"{name}: tasks/s while one task is followed ÷ while none is",
                   measured.values(name, "kept"), 0.95),
        )
    ]  # fmt: skip
    return Report(
        title="Streams of task events",
        note=f"One process serves and runs tasks. Percent of one core in {seconds:g} s: with no stream, and "
        f"with {STREAMS} open streams, each of a task that waits. Then batches of {tasks} no-op tasks (in "
        f"memory {tasks * IN_MEMORY}), submitted and run, {turns} times with no stream and {turns} times, in "
        "turn, with one of a task that waits.",
        header=("store", "no stream: %", f"{STREAMS} streams: %", "tasks/s", "followed: tasks/s", "÷"),
        rows=rows,
        targets=targets,
        measured=measured,
    )


def measure_server(port: int, seconds: float, tasks: int, turns: int) -> Figures:
    ids: Sequence[str] = ask(port, "POST", f"/delayed/{STREAMS}")
    ask(port, "POST", f"/drain/{tasks}")  # warm-up
    idle = percent(port, seconds)
    with streams(port, ids):
        followed = percent(port, seconds)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(turns):
        # Each turn begins with the other one: a batch is a little slower than the one before it.
        for is_followed in (number % 2 == 0, number % 2 == 1):
            with streams(port, ids[: int(is_followed)]):
                rates[is_followed].append(tasks / ask(port, "POST", f"/drain/{tasks}")["seconds"])
    alone, with_one = median(rates[False]), median(rates[True])
    return {
        "idle_percent": idle,
        "open_percent": followed,
        "cost_percent": followed - idle,
        "tasks_alone": alone,
        "tasks_followed": with_one,
        "kept": median(one / none for one, none in zip(rates[True], rates[False], strict=True)),
    }


def percent(port: int, seconds: float) -> float:
    """How much of one core the server takes."""
    before, begin = ask(port, "GET", "/counts")["seconds"], time.monotonic()
    time.sleep(seconds)
    took: float = ask(port, "GET", "/counts")["seconds"] - before
    return 100 * took / (time.monotonic() - begin)


@contextlib.contextmanager
def streams(port: int, ids: Sequence[str]) -> Iterator[None]:
    """An open stream for each task, for the block; each has had its first event."""
    with contextlib.ExitStack() as opened:
        sockets = []
        for task_id in ids:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), OPEN_WITHIN))
            connection.sendall(f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            sockets.append(connection)
        for connection in sockets:
            received = b""
            while b"data: " not in received:
                received += (more := connection.recv(65536))
                if not more:
                    raise ContenderError(f"a stream ended after {received[:200]!r}")
        wait_for(port, len(ids))
        yield
    wait_for(port, 0)


def wait_for(port: int, waiting: int) -> None:
    give_up = time.monotonic() + OPEN_WITHIN
    while ask(port, "GET", "/counts")["waiting"] != waiting:
        if time.monotonic() > give_up:
            raise ContenderError(f"not {waiting} streams wait after {OPEN_WITHIN:.0f} s")
        time.sleep(0.05)


def ask(port: int, method: str, path: str) -> Any:
    """The JSON of an answer. Raises ContenderError."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        client.request(method, path)
        answer = client.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ContenderError(f"the server did not answer: {error}") from error
    finally:
        client.close()
    if answer.status != 200:
        raise ContenderError(f"the server answered {answer.status}")
    return json.loads(body)
