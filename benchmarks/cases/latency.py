"""From the submit call to the first line of the task, with an idle engine."""

from benchmarks.cases.inprocess import ASYNC, OLD, PLAIN, POOL, PROGRAMS
from benchmarks.processes import Figures, run_program
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

PER_SECOND = 50
MEASURED = (POOL, PLAIN, ASYNC, OLD, "Huey in memory")
ENVIRONMENTS = {PROGRAMS[name][0] for name in MEASURED}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2


def run(rounds: int, quick: bool) -> Report:
    count = 150 if quick else 500

    def measure(name: str) -> Figures:
        environment, program, options = PROGRAMS[name]
        return run_program(environment, (program, "latency", str(count), str(PER_SECOND), *options))

    measured = interleave(MEASURED, rounds, measure)
    rows = [
        (
            name,
            spread(measured.values(name, "p50_us")),
            spread(measured.values(name, "p99_us")),
            spread(measured.values(name, "max_us")),
            spread(measured.values(name, "tasks_per_submit"), digits=3),
        )
        for name in MEASURED
    ]
    targets = [
        Target(f"{kind} task, {figure[:3]}", measured.values(name, figure), limit, False, " µs", 0)
        for kind, name in (("plain", PLAIN), ("async", ASYNC))
        for figure, limit in (("p50_us", 100), ("p99_us", 1000))
    ]
    return Report(
        title="Latency: submit to first line, idle engine",
        note=f"{count} tasks at {PER_SECOND} a second.",
        header=("engine", "p50 µs", "p99 µs", "longest µs", "tasks run per submit"),
        rows=rows,
        targets=targets,
        measured=measured,
    )
