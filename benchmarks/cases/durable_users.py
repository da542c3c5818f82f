"""POST /users of the http case with our durable store, beside what keeps its tasks in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.cases.durable import cell
from benchmarks.cases.http import UVICORN
from benchmarks.environments import OURS
from benchmarks.processes import Figures, serving, work_directory
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

PLAIN, ASYNC = "**Hypern** on SQLite, plain handler", "**Hypern** on SQLite, async handler"
MEMORY = "**Hypern** in memory, plain handler"
FASTAPI, FASTAPI_ASYNC = "FastAPI in memory, plain handler", "FastAPI in memory, async handler"


@dataclass(frozen=True)
class Server:
    environment: str
    arguments: Sequence[str]


SERVERS = {
    PLAIN: Server(OURS, ("durable_users.py", "{port}")),
    FASTAPI: Server("fastapi", (*UVICORN, "http_fastapi:plain")),
    ASYNC: Server(OURS, ("durable_users.py", "{port}", "--async")),
    FASTAPI_ASYNC: Server("fastapi", (*UVICORN, "http_fastapi:asynchronous")),
    MEMORY: Server(OURS, ("http_hypern_plain.py", "{port}")),
}
ENVIRONMENTS = {server.environment for server in SERVERS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2


def run(rounds: int, quick: bool) -> Report:
    seconds = 2 if quick else 4

    def measure(name: str) -> Figures:
        server = SERVERS[name]
        with work_directory() as directory:
            variables = {"BENCH_DIRECTORY": str(directory)}
            with serving(server.environment, server.arguments, variables) as port:
                return load.measure(port, warm_up=1, seconds=seconds)

    measured = interleave(list(SERVERS), rounds, measure)
    return Report(
        title="Durable: POST /users, 201 with the id of a task that is on the disk",
        note=f"wrk: one thread, {load.CONNECTIONS} connections, {seconds} s a round; one process serves and "
        "runs the tasks. On SQLite each answer is sent after its task has been committed and synced. "
        "FastAPI's BackgroundTasks have no id, no result and do not survive the process.",
        header=(
            "application",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "÷ FastAPI, plain",
            "tasks run per request",
            "waiting at end",
            "errors",
        ),
        rows=[
            (
                name,
                cell(measured, name, "requests_per_second"),
                cell(measured, name, "p50_ms", 1),
                cell(measured, name, "p99_ms", 1),
                spread(measured.ratios(name, FASTAPI, "requests_per_second"), "x", 2),
                cell(measured, name, "tasks_per_request", 3),
                cell(measured, name, "tasks_waiting_at_end"),
                cell(measured, name, "errors"),
            )
            for name in SERVERS
        ],
        targets=[
            Target(
                f"{kind} handler ÷ FastAPI, the same", measured.ratios(ours, theirs, "requests_per_second"), 1
            )
            for kind, ours, theirs in (("plain", PLAIN, FASTAPI), ("async", ASYNC, FASTAPI_ASYNC))
        ],
        measured=measured,
    )
