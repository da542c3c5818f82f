"""No-op tasks inside one process, from submit to done."""

from benchmarks.environments import OURS
from benchmarks.processes import Figures, run_program
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

PLAIN, ASYNC = "**Hypern**, plain task", "**Hypern**, async task"
POOL, OLD, LIMIT = "ThreadPoolExecutor(4)", "hypern 1.1.4", "limit: SimpleQueue, 4 threads, a record per task"

PROGRAMS = {
    POOL: (OURS, "tasks_thread_pool.py", ()),
    PLAIN: (OURS, "tasks_hypern.py", ()),
    LIMIT: (OURS, "tasks_simple_queue.py", ()),
    ASYNC: (OURS, "tasks_hypern.py", ("--async",)),
    OLD: ("hypern-1.1.4", "tasks_hypern_114.py", ()),
    "asyncio.create_task": (OURS, "tasks_create_task.py", ()),
    "Huey in memory": ("huey", "tasks_huey.py", ()),
}
ENVIRONMENTS = {environment for environment, _, _ in PROGRAMS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 5, 2


def run(rounds: int, quick: bool) -> Report:
    count = 50_000 if quick else 200_000

    def measure(name: str) -> Figures:
        environment, program, options = PROGRAMS[name]
        return run_program(environment, (program, "throughput", str(count), *options))

    measured = interleave(list(PROGRAMS), rounds, measure)
    rows = [
        (
            name,
            spread(measured.values(name, "tasks_per_second")),
            spread(measured.values(name, "submits_per_second")),
            spread(measured.values(name, "tasks_per_submit"), digits=3),
            spread(measured.ratios(name, POOL, "tasks_per_second"), "x", 2),
        )
        for name in PROGRAMS
    ]

    def speed(other: str) -> list[float]:
        return measured.ratios(PLAIN, other, "tasks_per_second")

    return Report(
        title="In process: no-op tasks, submit to done",
        note=f"{count:,} tasks from the main thread, in a fresh process each time, after a warm-up.",
        header=("engine", "tasks/s", "submits/s", "tasks run per submit", f"÷ {POOL}"),
        rows=rows,
        targets=[
            Target(f"plain task ÷ {POOL}", speed(POOL), 3),
            Target("plain task ÷ hypern 1.1.4", speed(OLD), 4),
            Target("plain task ÷ SimpleQueue limit", speed(LIMIT), 0.6),
        ],
        measured=measured,
    )
