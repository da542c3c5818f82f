"""A worker on PostgreSQL that is killed, and a transaction that somebody else leaves open."""

from benchmarks.cases.durable import System, cell, run_system
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave

KILL, CHURN = "worker killed with -9", "transaction held open elsewhere"
KILLED = System(OURS, "postgres_kill.py", "", on_postgres=True)
CHURNED = System(OURS, "postgres_churn.py", "", on_postgres=True)
ENVIRONMENTS = {OURS}
FULL_ROUNDS, QUICK_ROUNDS = 1, 1

# figure, its name in the table, digits
COLUMNS = (
    ("p50_seconds", "its tasks run again after: p50, s", 2),
    ("longest_seconds", "longest, s", 2),
    ("tasks_per_second", "tasks/s", 0),
    ("before_p99_ms", "100 claims before: p99, ms", 1),
    ("after_p99_ms", "after: p99, ms", 1),
    ("dead_rows", "dead rows at most", 0),
)


def run(rounds: int, quick: bool) -> Report:
    kills, count, held_seconds = (3, 100_000, 5) if quick else (20, 1_000_000, 60)

    def measure(name: str) -> Figures:
        if name == KILL:
            return run_system(KILLED, str(kills))
        return run_system(CHURNED, str(count), str(held_seconds))

    measured = interleave([KILL, CHURN], rounds, measure)
    return Report(
        title="PostgreSQL: trouble",
        note=f"{kills} times a worker process with four running tasks is killed beside an idle one. "
        f"{count:,} tasks are submitted, claimed and ended by the thousand, of which 5 % before "
        f"another session begins a transaction, which it keeps open for {held_seconds} s.",
        header=("what", *(text for _, text, _ in COLUMNS)),
        rows=[
            (name, *(cell(measured, name, figure, digits) for figure, _, digits in COLUMNS))
            for name in (KILL, CHURN)
        ],
        targets=[
            Target("longest until run again", measured.values(KILL, "longest_seconds"), 5, False, " s"),
            Target("p99 of 100 claims: after ÷ before", measured.values(CHURN, "growth"), 3, False),
        ],
        measured=measured,
    )
