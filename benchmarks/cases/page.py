"""What the dashboard's requests cost with many tasks in the store."""

from benchmarks.cases.durable import System, cell, run_system
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

FEW, MANY, MANY_QUICK = 10_000, 1_000_000, 100_000
ALLOWED_MS = 50.0
SYSTEM = System(OURS, "page.py", "SQLite, WAL, each commit synced")
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1


def run(rounds: int, quick: bool) -> Report:
    sizes = {f"{size:,} tasks": size for size in (FEW, MANY_QUICK if quick else MANY)}

    def measure(name: str) -> Figures:
        return run_system(SYSTEM, str(sizes[name]))

    measured = interleave(list(sizes), rounds, measure)
    few, many = sizes
    found = [figures for figures in measured.rounds[many] if figures is not None]
    reads = [name for name in (found[0] if found else {}) if not name.endswith(", slowest")]
    return Report(
        title="The dashboard with many tasks",
        note="Milliseconds from the request to the whole answer, through the app and without a socket: the "
        "median of 15 requests, and the slowest of them.",
        header=("request", few, "slowest", many, "slowest"),
        rows=[
            (
                name,
                *(cell(measured, size, figure, 1) for size in sizes for figure in (name, f"{name}, slowest")),
            )
            for name in reads
        ],
        targets=[
            Target(
                f"the slowest kind of request, {many}",
                [max(figures[name] for name in reads) for figures in found],
                ALLOWED_MS,
                at_least=False,
                unit=" ms",
                digits=1,
            )
        ],
        measured=measured,
    )
