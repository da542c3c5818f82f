"""What claiming and submitting a task cost when many rows are in PostgreSQL: waiting, delayed or finished."""

from benchmarks.cases.durable import System
from benchmarks.cases.durable_backlog import ENVIRONMENTS, report
from benchmarks.environments import OURS
from benchmarks.report import Report

__all__ = ["ENVIRONMENTS", "FULL_ROUNDS", "QUICK_ROUNDS", "run"]

ALLOWED_GROWTH = 1.3
SYSTEM = System(OURS, "postgres_backlog.py", "", on_postgres=True)
FULL_ROUNDS, QUICK_ROUNDS = 3, 1


def run(rounds: int, quick: bool) -> Report:
    return report("PostgreSQL: with many rows in the store", SYSTEM, ALLOWED_GROWTH, rounds, quick)
