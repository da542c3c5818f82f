"""Tasks that wait in PostgreSQL, run by a worker process."""

from benchmarks.cases.durable import cell, run_system
from benchmarks.cases.postgres import ENVIRONMENTS, HYPERN, PGQUEUER, PROCRASTINATE, RAW, SYSTEMS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

__all__ = ["ENVIRONMENTS", "FULL_ROUNDS", "QUICK_ROUNDS", "run"]

LIMIT = "limit: claim 100, finish 100"
TWO_WORKERS = f"{HYPERN}, 2 worker processes"
FULL_ROUNDS, QUICK_ROUNDS = 3, 1


def run(rounds: int, quick: bool) -> Report:
    # Of fewer most would be run before a worker is warm.
    count = 10_000
    contenders = {LIMIT: (RAW, 0), HYPERN: (SYSTEMS[HYPERN], 1), TWO_WORKERS: (SYSTEMS[HYPERN], 2)}
    contenders |= {name: (system, 1) for name, system in SYSTEMS.items() if name != HYPERN}

    def measure(name: str) -> Figures:
        system, workers = contenders[name]
        if not workers:
            return run_system(system, "work", str(count))
        return run_system(system, "drain", str(int(count * system.share)), str(workers))

    measured = interleave(list(contenders), rounds, measure)

    def ratios(name: str, other: str) -> list[float]:
        return measured.ratios(name, other, "tasks_per_second")

    return Report(
        title="PostgreSQL: waiting tasks run by a worker process",
        note=f"{count:,} no-op tasks (a text and a dict of three keys in, a dict out), all waiting before "
        "the worker starts; a part of them for the slow ones. From the first run until all have run and the "
        "system's own store has all of them ended.",
        header=("system", "settings", "tasks/s", "Hypern ÷ it", "runs per task", "ended per task"),
        rows=[
            (
                name,
                system.settings,
                cell(measured, name, "tasks_per_second"),
                spread(ratios(HYPERN, name), "x", 2),
                cell(measured, name, "runs_per_task", 3),
                cell(measured, name, "kept_per_task", 3),
            )
            for name, (system, _) in contenders.items()
        ],
        targets=[
            Target("one worker process ÷ PgQueuer, which keeps no results", ratios(HYPERN, PGQUEUER), 1),
            Target("one worker process ÷ Procrastinate", ratios(HYPERN, PROCRASTINATE), 25),
            Target("two worker processes ÷ one", ratios(TWO_WORKERS, HYPERN), 1),
        ],
        measured=measured,
    )
