"""What it costs to forget ended tasks: row by row, or by the day, if ending them moves them elsewhere."""

from benchmarks.cases.durable import System, cell, run_system
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report
from benchmarks.rounds import interleave

WAYS = {"ended where they are, deleted": "in-place", "moved to a partition, dropped": "apart"}
SYSTEM = System(OURS, "postgres_partitions.py", "", on_postgres=True)
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1

# figure, its name in the table, digits
COLUMNS = (
    ("work_us", "claim and end, µs", 1),
    ("work_wal", "… WAL bytes", 0),
    ("cleaned_us", "vacuum, µs", 2),
    ("cleaned_wal", "… WAL bytes", 0),
    ("forgotten_us", "forget, µs", 2),
    ("forgotten_wal", "… WAL bytes", 0),
)


def run(rounds: int, quick: bool) -> Report:
    count = 20_000 if quick else 200_000

    def measure(name: str) -> Figures:
        return run_system(SYSTEM, WAYS[name], str(count))

    measured = interleave(list(WAYS), rounds, measure)
    return Report(
        title="PostgreSQL: two ways to keep what has ended",
        note=f"{count:,} tasks in a plain table of fifteen columns, claimed and ended a thousand at a time, "
        "then forgotten; everything is for one task. A plan is judged by this, it is not what Hypern does.",
        header=("way", *(text for _, text, _ in COLUMNS)),
        rows=[
            (name, *(cell(measured, name, figure, digits) for figure, _, digits in COLUMNS)) for name in WAYS
        ],
        targets=[],
        measured=measured,
    )
