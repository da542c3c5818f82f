"""From the submit call in one process to the first line in an idle worker process, through PostgreSQL."""

from benchmarks.cases.durable import cell, run_system
from benchmarks.cases.durable_pickup import COLUMNS, PER_SECOND
from benchmarks.cases.postgres import DBOS, ENVIRONMENTS, HYPERN, SYSTEMS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

__all__ = ["ENVIRONMENTS", "FULL_ROUNDS", "QUICK_ROUNDS", "run"]

# Its queue is looked at ever more seldom while it is idle, up to minutes.
MEASURED = [name for name in SYSTEMS if name != DBOS]
FULL_ROUNDS, QUICK_ROUNDS = 3, 1


def run(rounds: int, quick: bool) -> Report:
    count, idle_seconds = (100, 3) if quick else (500, 10)

    def measure(name: str) -> Figures:
        return run_system(SYSTEMS[name], "pickup", str(count), str(PER_SECOND), str(idle_seconds))

    measured = interleave(MEASURED, rounds, measure)
    return Report(
        title="PostgreSQL: submit to first line in another process, idle worker",
        note=f"{count} tasks at {PER_SECOND} a second, then 50 that are delayed by a second. The idle worker "
        f"is looked at for {idle_seconds} s before that, its child processes included, the server not.",
        header=("system", *(text for _, text, _ in COLUMNS)),
        rows=[
            (name, *(cell(measured, name, figure, digits) for figure, _, digits in COLUMNS))
            for name in MEASURED
        ],
        targets=[
            Target("p50", measured.values(HYPERN, "p50_ms"), 2.5, False, " ms"),
            Target("p99", measured.values(HYPERN, "p99_ms"), 8, False, " ms"),
            Target("idle worker", measured.values(HYPERN, "idle_percent"), 2, False, " %"),
            Target(
                "never early: the earliest",
                sorted(measured.values(HYPERN, "earliest_ms"))[:1],
                0,
                True,
                " ms",
            ),
        ],
        measured=measured,
    )
