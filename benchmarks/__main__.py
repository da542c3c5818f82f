"""The command: `python -m benchmarks [case …] [--rounds N] [--quick] [--json FILE]`."""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.cases import (
    delayed,
    durable_backlog,
    durable_drain,
    durable_pickup,
    durable_submit,
    durable_users,
    durable_web,
    http,
    inprocess,
    latency,
    memory,
    page,
    postgres_backlog,
    postgres_cost,
    postgres_drain,
    postgres_partitions,
    postgres_pickup,
    postgres_submit,
    postgres_trouble,
    streams,
)
from benchmarks.environments import prepare
from benchmarks.load import require_wrk
from benchmarks.report import Report

CASES = {
    "http": http,
    "inprocess": inprocess,
    "latency": latency,
    "delayed": delayed,
    "memory": memory,
    "durable-submit": durable_submit,
    "durable-drain": durable_drain,
    "durable-pickup": durable_pickup,
    "durable-backlog": durable_backlog,
    "durable-web": durable_web,
    "durable-users": durable_users,
    "page": page,
    "postgres-submit": postgres_submit,
    "postgres-drain": postgres_drain,
    "postgres-pickup": postgres_pickup,
    "postgres-backlog": postgres_backlog,
    "postgres-trouble": postgres_trouble,
    "postgres-cost": postgres_cost,
    "postgres-partitions": postgres_partitions,
    "streams": streams,
}
NEED_WRK = {"http", "durable-users"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Hypern beside its peers, in one run."
    )
    parser.add_argument("case", nargs="*", help=f"which of {', '.join(CASES)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds a case (default: as many as the case needs)")
    parser.add_argument("--quick", action="store_true", help="shorter, in about a quarter of an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there, too")
    chosen = parser.parse_args()
    for name in set(chosen.case) - set(CASES):
        parser.error(f"there is no case {name!r}; choose from {', '.join(CASES)}")
    return chosen


def machine() -> str:
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores ({platform.machine()}), "
        f"{platform.python_implementation()} {platform.python_version()}, Granian {version('granian')}; "
        "figures are medians (min-max) over the rounds; every ratio is taken within a round."
    )


def main() -> int:
    chosen = arguments()
    names = chosen.case or list(CASES)
    if NEED_WRK & set(names):
        require_wrk()
    prepare(set().union(*(CASES[name].ENVIRONMENTS for name in names)))
    print(f"# Benchmarks\n\n{machine()}\n", flush=True)
    reports: dict[str, Report] = {}
    for name in names:
        case = CASES[name]
        rounds = chosen.rounds or (case.QUICK_ROUNDS if chosen.quick else case.FULL_ROUNDS)
        reports[name] = case.run(rounds, chosen.quick)
        print(reports[name].markdown(), flush=True)
    if chosen.json:
        chosen.json.write_text(
            json.dumps({name: asdict(report.measured) for name, report in reports.items()}, indent=1)
        )
    return 1 if any(report.measured.failures for report in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
