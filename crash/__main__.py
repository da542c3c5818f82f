"""The command: `python -m crash [--store postgresql://…] [--cycles N] [--seed S] [--quick]`."""

import argparse
import contextlib
import os
import platform
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from crash.cycles import Crashes
from crash.plan import KINDS, plans
from crash.report import Found
from crash.sweep import MissingTool, sweep
from crash.tables import Tables

CYCLES, QUICK_CYCLES = 200, len(KINDS)
QUICK_CALLS = 5
SQLITE, OWN_SERVER = "sqlite", "postgresql"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m crash",
        description="Kill processes that share a store; judge what is left.",
    )
    parser.add_argument("--cycles", type=int, help=f"cycles of the crash loop (default: {CYCLES})")
    parser.add_argument("--seed", type=int, help="repeat the plan of an earlier run (default: a new one)")
    parser.add_argument("--quick", action="store_true", help="one or two minutes instead of about fifteen")
    parser.add_argument(
        "--store",
        default="sqlite",
        metavar="URL",
        help="an empty PostgreSQL database, or postgresql: one on a server of our own, which is stopped in "
        "the midst of it, too (default: a SQLite file)",
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave journals, logs and store there")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress, beside the report."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(found: Found) -> None:
    sys.stdout.write(found.markdown() + "\n")
    sys.stdout.flush()


def crash_loop(cycles: int, seed: int, store: str, keep: Path | None) -> Found:
    with contextlib.ExitStack() as stack:
        tables: Tables | None = None
        restart: Callable[[], None] | None = None
        if store != SQLITE:
            from crash import postgres

            url = store
            if store == OWN_SERVER:
                server = stack.enter_context(postgres.PrivateServer())
                url = stack.enter_context(postgres.fresh_database(server.url))
                restart = partial(postgres.stop_at_once, server)
            tables = postgres.PostgresTables(url)
        planned = list(islice(plans(seed, has_server=restart is not None), cycles))
        if keep is None:
            keep = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hypern-crash-")))
        else:
            keep.mkdir(parents=True)
        return Crashes(keep, tables, restart).run(planned, say)


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
        lambda: crash_loop(cycles, seed, chosen.store, chosen.keep),
    ]
    if chosen.store == SQLITE:
        parts.append(lambda: sweep(seed, calls, say))
    return 0 if run(parts) else 1


if __name__ == "__main__":
    sys.exit(main())
