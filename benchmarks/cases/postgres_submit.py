"""Submitting to PostgreSQL, which nobody works off: one by one, by threads, many at once."""

from benchmarks.cases.durable import System, cell, run_system
from benchmarks.cases.postgres import (
    CELERY,
    DBOS,
    ENVIRONMENTS,
    EVERY_COMMIT,
    HYPERN,
    OBAN,
    PGQUEUER,
    PROCRASTINATE,
    RAW,
    SYSTEMS,
)
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

__all__ = ["ENVIRONMENTS", "FULL_ROUNDS", "QUICK_ROUNDS", "run"]

SINGLE, UNNEST, COPY = "limit: insert and commit", "limit: 1,000 a statement", "limit: COPY, 1,000 a commit"
ALONE, THREADS, MANY = f"{HYPERN}, 1 thread", f"{HYPERN}, 16 threads", f"{HYPERN}, submit_many"
COROUTINES = f"{HYPERN}, 200 coroutines"
BULK = ", many a call"

_HYPERN = SYSTEMS[HYPERN]
# In this order, so that what is compared runs close together in time.
# contender: its program, its arguments before and after the count, the part of the count that it gets
CONTENDERS: dict[str, tuple[System, tuple[str, ...], tuple[str, ...], float]] = {
    SINGLE: (RAW, ("single",), (), 1),
    ALONE: (_HYPERN, ("submit",), (), 1),
    PGQUEUER: (SYSTEMS[PGQUEUER], ("submit",), (), 1),
    PROCRASTINATE: (SYSTEMS[PROCRASTINATE], ("submit",), (), 0.5),
    OBAN: (SYSTEMS[OBAN], ("submit",), (), 0.5),
    DBOS: (SYSTEMS[DBOS], ("submit",), (), 0.5),
    CELERY: (SYSTEMS[CELERY], ("submit",), (), 0.5),
    THREADS: (_HYPERN, ("submit-threads",), ("16",), 1),
    COROUTINES: (_HYPERN, ("submit-coroutines",), ("200",), 1),
    MANY: (_HYPERN, ("submit-many",), (), 1),
    PGQUEUER + BULK: (SYSTEMS[PGQUEUER], ("bulk",), (), 1),
    PROCRASTINATE + BULK: (SYSTEMS[PROCRASTINATE], ("bulk",), (), 1),
    OBAN + BULK: (SYSTEMS[OBAN], ("bulk",), (), 1),
    UNNEST: (RAW, ("unnest",), (), 1),
    COPY: (RAW, ("copy",), (), 1),
}
# These get so many, however quick it is to be: what is done once for a call is shared by all of it.
_AT_ONCE = 10_000
_TOGETHER = {MANY, UNNEST, COPY, *(name for name in CONTENDERS if name.endswith(BULK))}
FULL_ROUNDS, QUICK_ROUNDS = 3, 1
assert {system.environment for system, *_ in CONTENDERS.values()} <= ENVIRONMENTS | {OURS}


def run(rounds: int, quick: bool) -> Report:
    count = 2_000 if quick else 10_000

    def measure(name: str) -> Figures:
        system, before, after, part = CONTENDERS[name]
        size = _AT_ONCE if name in _TOGETHER else int(count * part)
        return run_system(system, *before, str(size), *after)

    measured = interleave(list(CONTENDERS), rounds, measure)

    def ratios(name: str, other: str) -> list[float]:
        return measured.ratios(name, other, "submits_per_second")

    return Report(
        title="PostgreSQL: submitting",
        note=f"{count:,} no-op tasks (half of them for the slow ones; {_AT_ONCE:,} of those that are handed "
        f"over together) while no worker runs; {EVERY_COMMIT}.",
        header=("submitter", "tasks/s", f"÷ {SINGLE}", "p50 µs", "p99 µs", "found per submit"),
        rows=[
            (
                name,
                cell(measured, name, "submits_per_second"),
                spread(ratios(name, SINGLE), "x", 2),
                cell(measured, name, "p50_us"),
                cell(measured, name, "p99_us"),
                cell(measured, name, "kept_per_submit", 3),
            )
            for name in CONTENDERS
        ],
        targets=[
            Target("1 thread ÷ insert and commit", ratios(ALONE, SINGLE), 0.8),
            Target("submit_many ÷ PgQueuer's bulk", ratios(MANY, PGQUEUER + BULK), 1),
            Target("1 thread ÷ PgQueuer", ratios(ALONE, PGQUEUER), 1),
            Target("1 thread ÷ Procrastinate", ratios(ALONE, PROCRASTINATE), 2),
            Target("16 threads ÷ 1 thread", ratios(THREADS, ALONE), 2),
        ],
        measured=measured,
    )
