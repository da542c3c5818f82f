"""Submitting durable tasks, which nobody runs: one by one, by threads, by coroutines, many at once."""

from benchmarks.cases.durable import (
    CELERY,
    DBOS,
    DRAMATIQ,
    FLEXIQ,
    HUEY,
    HUEY_SYNCED,
    NO_SYNC,
    SAQ,
    STREAQ,
    SYSTEMS,
    TASKIQ,
    System,
    cell,
    run_system,
)
from benchmarks.environments import OURS
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

SINGLE, BATCH = "limit: sqlite3, insert and commit", "limit: sqlite3, all in one commit"
ALONE = "**Hypern**, 1 thread"
THREADS_8, THREADS_16 = "**Hypern**, 8 threads", "**Hypern**, 16 threads"
COROUTINES, MANY = "**Hypern**, 200 coroutines", "**Hypern**, submit_many"

RAW = System(OURS, "durable_raw.py", "")
HYPERN = System(OURS, "durable_hypern.py", "")

# In this order, so that what is compared runs close together in time.
# contender: its program, its arguments before and after the count, what is on the disk when it returns
CONTENDERS: dict[str, tuple[System, tuple[str, ...], tuple[str, ...], str]] = {
    SINGLE: (RAW, ("single",), (), "synced; our table, indexes and bytes"),
    ALONE: (HYPERN, ("submit",), (), "synced"),
    HUEY_SYNCED: (SYSTEMS[HUEY_SYNCED], ("submit",), (), "synced"),
    THREADS_8: (HYPERN, ("submit-threads",), ("8",), "synced"),
    THREADS_16: (HYPERN, ("submit-threads",), ("16",), "synced"),
    COROUTINES: (HYPERN, ("submit-coroutines",), ("200",), "synced; submit_async"),
    BATCH: (RAW, ("batch",), (), "synced; our table, indexes and bytes"),
    MANY: (HYPERN, ("submit-many",), (), "synced"),
    DBOS: (SYSTEMS[DBOS], ("submit",), (), "synced"),
    HUEY: (SYSTEMS[HUEY], ("submit",), (), NO_SYNC),
    "FlexiQ": (SYSTEMS[FLEXIQ], ("submit",), (), NO_SYNC),
    **{
        name.split(",")[0]: (SYSTEMS[name], ("submit",), (), "Redis, nothing on the disk")
        for name in (CELERY, DRAMATIQ, TASKIQ, SAQ, STREAQ)
    },
}
ENVIRONMENTS = {system.environment for system, *_ in CONTENDERS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2


def run(rounds: int, quick: bool) -> Report:
    count = 2_000 if quick else 10_000

    def measure(name: str) -> Figures:
        system, before, after, _ = CONTENDERS[name]
        return run_system(system, *before, str(count), *after)

    measured = interleave(list(CONTENDERS), rounds, measure)

    def ratios(name: str, other: str) -> list[float]:
        return measured.ratios(name, other, "submits_per_second")

    rows = [
        (
            name,
            kept,
            cell(measured, name, "submits_per_second"),
            spread(ratios(name, SINGLE), "x", 2),
            cell(measured, name, "p50_us"),
            cell(measured, name, "p99_us"),
            cell(measured, name, "kept_per_submit", 3),
        )
        for name, (_, _, _, kept) in CONTENDERS.items()
    ]
    return Report(
        title="Durable: submitting",
        note=f"{count:,} no-op tasks in all, while no worker runs. Synced: what a submit returned is on the "
        "disk, even if the power fails the next moment.",
        header=("submitter", "then", "tasks/s", f"÷ {SINGLE}", "p50 µs", "p99 µs", "found per submit"),
        rows=rows,
        targets=[
            Target("1 thread ÷ insert and commit", ratios(ALONE, SINGLE), 0.8),
            Target("8 threads ÷ insert and commit", ratios(THREADS_8, SINGLE), 2.5),
            Target("16 threads ÷ insert and commit", ratios(THREADS_16, SINGLE), 2.5),
            Target("200 coroutines ÷ insert and commit", ratios(COROUTINES, SINGLE), 8),
            Target("submit_many ÷ all in one commit", ratios(MANY, BATCH), 0.6),
            Target("1 thread ÷ Huey, synced", ratios(ALONE, HUEY_SYNCED), 1),
        ],
        measured=measured,
    )
