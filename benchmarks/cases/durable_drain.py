"""Tasks that wait in a store, run by a worker process, with their results kept."""

from benchmarks.cases.durable import DBOS, HYPERN, SYSTEMS, cell, run_system
from benchmarks.processes import Figures
from benchmarks.report import Report, Target
from benchmarks.rounds import interleave, spread

TWO_WORKERS = "**Hypern**, 2 worker processes"
ENVIRONMENTS = {system.environment for system in SYSTEMS.values()}
FULL_ROUNDS, QUICK_ROUNDS = 3, 2
# How many times as quick as each of them, 8 unless it stands here.
_TO_REACH = {"Huey": 5.0, "Huey, synced": 5.0, "FlexiQ, tuned": 15.0, DBOS: 50.0}


def run(rounds: int, quick: bool) -> Report:
    # Of fewer most would be run before a worker is warm.
    count = 10_000
    contenders = {HYPERN: (SYSTEMS[HYPERN], 1), TWO_WORKERS: (SYSTEMS[HYPERN], 2)}
    contenders |= {name: (system, 1) for name, system in SYSTEMS.items() if name != HYPERN}

    def measure(name: str) -> Figures:
        system, workers = contenders[name]
        return run_system(system, "drain", str(int(count * system.share)), str(workers))

    measured = interleave(list(contenders), rounds, measure)
    rows = [
        (
            name,
            system.settings,
            cell(measured, name, "tasks_per_second"),
            spread(measured.ratios(HYPERN, name, "tasks_per_second"), "x", 2),
            cell(measured, name, "runs_per_task", 3),
            cell(measured, name, "kept_per_task", 3),
        )
        for name, (system, _) in contenders.items()
    ]
    rivals = [name for name in SYSTEMS if name != HYPERN]
    return Report(
        title="Durable: waiting tasks run by a worker process",
        note=f"{count:,} no-op tasks (a text and a dict of three keys in, a dict out), all waiting before "
        f"the worker starts ({DBOS} gets a tenth of them, FlexiQ with defaults a twentieth); from the "
        "first run until all have run and the system's own store has all results. Runs are bytes in a file. "
        "Redis keeps nothing on disk here.",
        header=("system", "settings", "tasks/s", "Hypern ÷ it", "runs per task", "results kept per task"),
        rows=rows,
        targets=[
            Target(
                f"one worker process ÷ {name}",
                measured.ratios(HYPERN, name, "tasks_per_second"),
                _TO_REACH.get(name, 8),
            )
            for name in rivals
        ]
        + [Target("two worker processes ÷ one", measured.ratios(TWO_WORKERS, HYPERN, "tasks_per_second"), 1)],
        measured=measured,
    )
