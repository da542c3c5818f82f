"""POST /users of the specification under load: JSON in, a task submitted, 201 with user and task id out."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import load
from benchmarks.environments import OURS
from benchmarks.processes import Figures, serving
from benchmarks.report import Report, Target
from benchmarks.rounds import Measured, interleave, spread

SETTINGS = ("--port", "{port}", "--loop", "uvloop", "--log-level", "error")
GRANIAN = ("-m", "granian", "--interface", "asginl", *SETTINGS)
UVICORN = ("-m", "uvicorn", "--http", "httptools", *SETTINGS)

PLAIN, ASYNC = "**Hypern**, plain handler", "**Hypern**, async handler"
OLD, OLD_QUIET = "hypern 1.1.4", "hypern 1.1.4, request log off"
OLD_RUNNING = "hypern 1.1.4, request log off, executor made in the worker"
FASTAPI, FASTAPI_ASYNC = "FastAPI, plain handler", "FastAPI, async handler"
STARLETTE, ROBYN = "Starlette + Granian, async handler", "Robyn, plain handler, no tasks"
BARE_ASGI, BARE_RSGI = "limit: bare ASGI", "limit: bare RSGI"
BARE_MANAGED = "limit: bare ASGI, Granian's own process"
RUN_TASKS = (OLD_RUNNING, FASTAPI, FASTAPI_ASYNC, STARLETTE)
RUN_NONE = (OLD, OLD_QUIET, ROBYN)


@dataclass(frozen=True)
class Server:
    environment: str
    arguments: Sequence[str]
    submits: bool = True


# In this order, so that what is compared runs close together in time.
SERVERS = {
    OLD: Server("hypern-1.1.4", ("http_hypern_114.py", "{port}")),
    PLAIN: Server(OURS, ("http_hypern_plain.py", "{port}")),
    OLD_QUIET: Server("hypern-1.1.4", ("http_hypern_114.py", "{port}", "--quiet")),
    FASTAPI: Server("fastapi", (*UVICORN, "http_fastapi:plain")),
    FASTAPI_ASYNC: Server("fastapi", (*UVICORN, "http_fastapi:asynchronous")),
    STARLETTE: Server("starlette", (*GRANIAN, "http_starlette:app")),
    ROBYN: Server("robyn", ("http_robyn.py", "{port}", "--disable-openapi", "--log-level", "ERROR"), False),
    OLD_RUNNING: Server("hypern-1.1.4", ("http_hypern_114.py", "{port}", "--quiet", "--executor-in-worker")),
    ASYNC: Server(OURS, ("http_hypern_async.py", "{port}")),
    BARE_ASGI: Server(OURS, ("http_bare.py", "{port}", "asgi"), False),
    BARE_MANAGED: Server(OURS, (*GRANIAN, "http_bare:asgi"), False),
    BARE_RSGI: Server(OURS, ("http_bare.py", "{port}", "rsgi"), False),
}
ENVIRONMENTS = {server.environment for server in SERVERS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 5, 2


def run(rounds: int, quick: bool) -> Report:
    seconds = 2 if quick else 4

    def measure(name: str) -> Figures:
        server = SERVERS[name]
        with serving(server.environment, server.arguments) as port:
            return load.measure(port, warm_up=1, seconds=seconds)

    measured = interleave(list(SERVERS), rounds, measure)
    return Report(
        title="HTTP: POST /users, 201 with a task id",
        note=f"wrk: one thread, {load.CONNECTIONS} connections, {seconds} s a round; one server alive at a "
        "time. Tasks run per request are counted by the application itself, after the load.",
        header=(
            "application",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "tasks run per request",
            "still waiting",
            "errors",
        ),
        rows=[row(measured, name) for name in sorted(SERVERS, key=lambda name: order(measured, name))],
        targets=targets(measured),
        measured=measured,
    )


def row(measured: Measured, name: str) -> tuple[str, ...]:
    def cell(figure: str, digits: int) -> str:
        return spread(measured.values(name, figure), digits=digits)

    submits = SERVERS[name].submits
    return (
        name,
        cell("requests_per_second", 0),
        cell("p50_ms", 1),
        cell("p99_ms", 1),
        cell("tasks_per_request", 3) if submits else "submits none",
        cell("tasks_waiting_at_end", 0) if submits else "-",
        cell("errors", 0),
    )


def order(measured: Measured, name: str) -> float:
    """Fastest first; what could not be measured comes last."""
    values = measured.values(name, "requests_per_second")
    return -median(values) if values else 0.0


def targets(measured: Measured) -> list[Target]:
    def speed(name: str, other: str) -> list[float]:
        return measured.ratios(name, other, "requests_per_second")

    handlers = (("plain", PLAIN), ("async", ASYNC))
    rivals = (("peer that runs the tasks", RUN_TASKS), ("peer", RUN_TASKS + RUN_NONE))
    return [
        Target("plain handler ÷ hypern 1.1.4", speed(PLAIN, OLD), 2),
        Target("plain handler ÷ hypern 1.1.4, request log off", speed(PLAIN, OLD_QUIET), 2),
        Target("plain handler ÷ FastAPI, plain handler", speed(PLAIN, FASTAPI), 8),
        Target("async handler ÷ hypern 1.1.4", speed(ASYNC, OLD), 2.5),
        Target("async handler ÷ hypern 1.1.4, request log off", speed(ASYNC, OLD_QUIET), 2.5),
        Target("async handler ÷ bare ASGI", speed(ASYNC, BARE_ASGI), 0.6),
        *(
            Target(
                f"p99, {kind} handler ÷ the lowest of any {of_whom}",
                measured.ratios_to_lowest(name, peers, "p99_ms"),
                1,
                False,
            )
            for kind, name in handlers
            for of_whom, peers in rivals
        ),
    ]
