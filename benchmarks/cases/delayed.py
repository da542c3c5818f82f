"""A million delayed tasks waiting: memory, the cost of one more, idle work, punctuality beside them."""

from math import log

from benchmarks.environments import OURS
from benchmarks.processes import Figures, run_program
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

NAME = "**Hypern**"
COUNT = 1_000_000
EARLY = 10_000
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1

# figure, its name in the table, digits
LINES = (
    ("bytes_each", "memory for each waiting task, bytes", 0),
    ("submit_us_at_10k", f"submit with {EARLY:,} waiting, µs", 2),
    ("submit_us_at_full", f"submit with {COUNT:,} waiting, µs", 2),
    ("submit_us_mean", "submit, mean over all (pauses included), µs", 2),
    ("idle_percent", "one core's time while only waiting, %", 2),
    ("earliest_ms", "2,000 falling due: the earliest, ms late", 3),
    ("late_p50_ms", "… p50, ms late", 2),
    ("late_p99_ms", "… p99, ms late", 2),
)


def run(rounds: int, quick: bool) -> Report:
    idle_seconds = 3 if quick else 10

    def measure(_name: str) -> Figures:
        return run_program(OURS, ("delayed_hypern.py", str(COUNT), str(idle_seconds)))

    measured = interleave([NAME], rounds, measure)

    def values(figure: str) -> list[float]:
        return measured.values(NAME, figure)

    growth = [
        late / early
        for late, early in zip(values("submit_us_at_full"), values("submit_us_at_10k"), strict=True)
    ]
    return Report(
        title=f"Delayed: {COUNT:,} tasks waiting",
        note="Due in one to two hours, in random order; then 2,000 more fall due within four seconds.",
        header=("figure", "measured"),
        rows=[(text, spread(values(figure), digits=digits)) for figure, text, digits in LINES],
        targets=[
            Target("memory each", values("bytes_each"), 1000, False, " bytes", 0),
            Target("submit at 1M ÷ at 10k (log n grows by this)", growth, log(COUNT) / log(EARLY), False),
            Target("idle", values("idle_percent"), 1, False, " %", 2),
            Target("lateness p99", values("late_p99_ms"), 10, False, " ms", 2),
            Target("never early: the earliest", sorted(values("earliest_ms"))[:1], 0, True, " ms", 3),
        ],
        measured=measured,
    )
