"""The resident memory after more and more tasks have run: flat, because old records are let go."""

from benchmarks.environments import OURS
from benchmarks.processes import Figures, run_program
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

NAME = "**Hypern**"
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1
STEPS = ("100000", "500000", "1000000")
ALLOWED_GROWTH_MB = 10
MB = 1e6


def run(rounds: int, quick: bool) -> Report:
    def measure(_name: str) -> Figures:
        return run_program(OURS, ("memory_hypern.py", *STEPS))

    measured = interleave([NAME], rounds, measure)

    def megabytes(step: str) -> list[float]:
        return [value / MB for value in measured.values(NAME, step)]

    growth = [late - early for late, early in zip(megabytes(STEPS[-1]), megabytes(STEPS[0]), strict=True)]
    return Report(
        title="Memory: after many tasks",
        note="Default retention (10,000 finished records), a small dict as each result.",
        header=("tasks run", "resident memory, MB"),
        rows=[(f"{int(step):,}", spread(megabytes(step), digits=1)) for step in ("0", *STEPS)],
        targets=[
            Target("growth from 100,000 to 1,000,000 run", growth, ALLOWED_GROWTH_MB, False, " MB", 1),
        ],
        measured=measured,
    )
