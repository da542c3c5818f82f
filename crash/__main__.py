"""The command: `python -m crash [--cycles N] [--seed S] [--quick]`."""

import argparse
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from crash.cycles import Crashes
from crash.plan import KINDS, plans
from crash.report import Found
from crash.sweep import MissingTool, sweep

CYCLES, QUICK_CYCLES = 200, len(KINDS)
QUICK_CALLS = 5


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m crash",
        description="Kill processes that share a SQLite store; judge what is left.",
    )
    parser.add_argument("--cycles", type=int, help=f"cycles of the crash loop (default: {CYCLES})")
    parser.add_argument("--seed", type=int, help="repeat the plan of an earlier run (default: a new one)")
    parser.add_argument("--quick", action="store_true", help="one or two minutes instead of about fifteen")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave journals, logs and store there")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress, beside the report."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(found: Found) -> None:
    sys.stdout.write(found.markdown() + "\n")
    sys.stdout.flush()


def crash_loop(cycles: int, seed: int, keep: Path | None) -> Found:
    planned = list(islice(plans(seed), cycles))
    if keep is not None:
        keep.mkdir(parents=True)
        return Crashes(keep).run(planned, say)
    with tempfile.TemporaryDirectory(prefix="hypern-crash-") as directory:
        return Crashes(Path(directory)).run(planned, say)


def run(parts: list[Callable[[], Found]]) -> bool:
    good = True
    for part in parts:
        try:
            found = part()
        except MissingTool as missing:
            sys.stdout.write(f"Left out: {missing}.\n\n")
            continue
        show(found)
        good = good and found.is_good
    return good


def main() -> int:
    chosen = arguments()
    seed = random.randrange(1_000_000) if chosen.seed is None else chosen.seed
    cycles = chosen.cycles or (QUICK_CYCLES if chosen.quick else CYCLES)
    calls = QUICK_CALLS if chosen.quick else 0
    sys.stdout.write(
        f"# Crashes\n\n{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, seed {seed}.\n\n"
    )
    parts: list[Callable[[], Found]] = [
        lambda: crash_loop(cycles, seed, chosen.keep),
        lambda: sweep(seed, calls, say),
    ]
    return 0 if run(parts) else 1


if __name__ == "__main__":
    sys.exit(main())
