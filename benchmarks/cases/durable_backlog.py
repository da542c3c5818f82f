"""What claiming and submitting a task cost when many rows are in the store: waiting, delayed or finished."""

from benchmarks.cases.durable import System, cell, run_system
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

KINDS = ("waiting", "delayed", "finished")
FEW, MANY, MANY_QUICK = 10_000, 1_000_000, 100_000
ALLOWED_GROWTH = 1.2
SYSTEM = System(OURS, "durable_backlog.py", "SQLite, WAL, each commit synced")
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2


def run(rounds: int, quick: bool) -> Report:
    return report("Durable: with many rows in the store", SYSTEM, ALLOWED_GROWTH, rounds, quick)


def report(title: str, system: System, allowed_growth: float, rounds: int, quick: bool) -> Report:
    """The case for the store that `system` measures."""
    sizes = (FEW, MANY_QUICK if quick else MANY)
    contenders = {f"{size:,} {kind}": (kind, size) for kind in KINDS for size in sizes}

    def measure(name: str) -> Figures:
        kind, size = contenders[name]
        return run_system(system, kind, str(size))

    measured = interleave(list(contenders), rounds, measure)

    def growth(kind: str, figure: str) -> list[float]:
        few, many = (f"{size:,} {kind}" for size in sizes)
        return measured.ratios(many, few, figure)

    return Report(
        title=title,
        note="One thread that asks the store directly: 2,000 tasks claimed and ended with a small result, "
        "then 200 submitted. The delayed rows are of a higher priority than the tasks that are claimed.",
        header=("rows", "found", "claim and end, µs a task", "submit, µs"),
        rows=[
            (
                name,
                cell(measured, name, "rows"),
                cell(measured, name, "claim_us", 1),
                cell(measured, name, "submit_us"),
            )
            for name in contenders
        ],
        targets=[
            Target(
                f"{what}, {kind} rows: {sizes[1]:,} ÷ {sizes[0]:,}",
                growth(kind, figure),
                allowed_growth,
                False,
            )
            for what, figure in (("claim and end", "claim_us"), ("submit", "submit_us"))
            for kind in KINDS
        ],
        measured=measured,
    )
