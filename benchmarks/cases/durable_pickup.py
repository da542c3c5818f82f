"""From the submit call in one process to the first line in an idle worker process; lateness of delays."""

from benchmarks.cases.durable import FLEXIQ, HUEY_SYNCED, HYPERN, SYSTEMS, cell, run_system
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

PER_SECOND = 50
MEASURED = [name for name in SYSTEMS if name not in (FLEXIQ, HUEY_SYNCED)]
ENVIRONMENTS = {SYSTEMS[name].environment for name in MEASURED}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1

# figure, its name in the table, digits
COLUMNS = (
    ("p50_ms", "p50 ms", 2),
    ("p99_ms", "p99 ms", 2),
    ("idle_percent", "idle worker, % of a core", 2),
    ("earliest_ms", "delayed 1 s: earliest, ms late", 1),
    ("late_p50_ms", "… p50", 1),
    ("late_p99_ms", "… p99", 1),
    ("runs_per_task", "runs per task", 3),
)


def run(rounds: int, quick: bool) -> Report:
    count, idle_seconds = (100, 3) if quick else (500, 10)

    def measure(name: str) -> Figures:
        return run_system(SYSTEMS[name], "pickup", str(count), str(PER_SECOND), str(idle_seconds))

    measured = interleave(MEASURED, rounds, measure)
    return Report(
        title="Durable: submit to first line in another process, idle worker",
        note=f"{count} tasks at {PER_SECOND} a second, then 50 that are delayed by a second. The idle worker "
        f"is looked at for {idle_seconds} s before that, its child processes included, a Redis not.",
        header=("system", *(text for _, text, _ in COLUMNS)),
        rows=[
            (name, *(cell(measured, name, figure, digits) for figure, _, digits in COLUMNS))
            for name in MEASURED
        ],
        targets=[
            Target("p50", measured.values(HYPERN, "p50_ms"), 3, False, " ms"),
            Target("p99", measured.values(HYPERN, "p99_ms"), 10, False, " ms"),
            Target("idle worker", measured.values(HYPERN, "idle_percent"), 1.5, False, " %"),
            Target("delayed 1 s, p99 late", measured.values(HYPERN, "late_p99_ms"), 25, False, " ms"),
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
