"""The durable task systems that are measured, and what their cases share: running one, and its cells."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks import postgres, rabbitmq
from benchmarks.environments import OURS
from benchmarks.processes import Figures, redis_running, run_program, work_directory
from benchmarks.rounds import Measured, spread

TIMEOUT = 400.0


@dataclass(frozen=True)
class System:
    """`settings`: what stands beside its figures. `share`: the part of a case's tasks that it is given,
    less than 1 for one that would take minutes."""

    environment: str
    program: str
    settings: str
    variables: Mapping[str, str] = field(default_factory=dict)
    on_redis: bool = False
    on_postgres: bool = False
    on_rabbitmq: bool = False
    share: float = 1.0


HYPERN = "**Hypern**"
HUEY, HUEY_SYNCED = "Huey", "Huey, synced"
FLEXIQ, FLEXIQ_TUNED = "FlexiQ, defaults", "FlexiQ, tuned"
CELERY, CELERY_THREADS = "Celery, prefork", "Celery, threads"
DRAMATIQ, TASKIQ, SAQ, STREAQ, DBOS = "Dramatiq", "Taskiq", "SAQ", "streaQ", "DBOS"
NO_SYNC = "a commit is not synced"

SYSTEMS = {
    HYPERN: System(OURS, "durable_hypern.py", "SQLite, WAL, each commit synced, 4 threads"),
    HUEY: System("huey", "durable_huey.py", f"SQLite, WAL, {NO_SYNC}, 4 threads, polls each 10 ms"),
    FLEXIQ_TUNED: System(
        "flexiq",
        "durable_flexiq.py",
        f"SQLite, WAL, {NO_SYNC}, 8 threads, takes 1,000 each 5 ms",
        {"BENCH_TUNED": "1"},
    ),
    CELERY: System("celery", "durable_celery.py", "Redis, 2 processes, prefetch 64", on_redis=True),
    CELERY_THREADS: System(
        "celery",
        "durable_celery.py",
        "Redis, 8 threads, prefetch 64",
        {"BENCH_POOL": "threads"},
        on_redis=True,
    ),
    DRAMATIQ: System("dramatiq", "durable_dramatiq.py", "Redis, 8 threads", on_redis=True),
    TASKIQ: System("taskiq", "durable_taskiq.py", "Redis stream, 100 coroutines, uvloop", on_redis=True),
    SAQ: System("saq", "durable_saq.py", "Redis, 32 coroutines, uvloop", on_redis=True),
    STREAQ: System("streaq", "durable_streaq.py", "Redis, 32 coroutines, uvloop", on_redis=True),
    DBOS: System("dbos", "durable_dbos.py", "SQLite, WAL, each commit synced, polls each 10 ms", share=0.1),
    FLEXIQ: System(
        "flexiq", "durable_flexiq.py", f"SQLite, WAL, {NO_SYNC}, 2 threads, takes 1 each 50 ms", share=0.05
    ),
    HUEY_SYNCED: System(
        "huey",
        "durable_huey.py",
        "SQLite, WAL, each commit synced, 4 threads, polls each 10 ms",
        {"BENCH_FSYNC": "1"},
    ),
}


def run_system(system: System, *arguments: str) -> Figures:
    """Run a system's program with an empty directory, and an empty Redis or database where it needs one.
    Raises ContenderError."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(work_directory())
        variables = {"BENCH_DIRECTORY": str(directory), **system.variables}
        if system.on_redis:
            variables["BENCH_REDIS"] = stack.enter_context(redis_running(directory))
        if system.on_postgres:
            variables["BENCH_POSTGRES"] = stack.enter_context(postgres.empty_database())
        if system.on_rabbitmq:
            variables["BENCH_RABBITMQ"] = rabbitmq.running()
        return run_program(system.environment, (system.program, *arguments), TIMEOUT, variables)


def cell(measured: Measured, name: str, figure: str, digits: int = 0) -> str:
    """A figure over the rounds; a dash where a contender has none of that name."""
    rounds = (figures for figures in measured.rounds[name] if figures is not None)
    return spread([figures[figure] for figures in rounds if figure in figures], digits=digits)
