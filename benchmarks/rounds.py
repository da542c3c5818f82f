"""Measures contenders side by side in rounds, and compares only what was measured in the same round."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.others import busy_percent
from benchmarks.processes import ContenderError, Figures


@dataclass
class Measured:
    """The figures of each contender, one entry a round; None where it could not be measured."""

    rounds: dict[str, list[Figures | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)
    """Percent of the machine that other programs took, looked at before each measurement."""

    def values(self, name: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self.rounds[name] if figures is not None]

    def ratios(self, name: str, other: str, figure: str) -> list[float]:
        """`name` divided by `other`, round by round."""
        return self.ratios_to_lowest(name, (other,), figure)

    def ratios_to_lowest(self, name: str, others: Sequence[str], figure: str) -> list[float]:
        """`name` divided by the lowest of `others`; rounds in which one is missing are left out."""
        ratios = []
        for mine, *theirs in zip(self.rounds[name], *(self.rounds[other] for other in others), strict=True):
            present = [figures[figure] for figures in theirs if figures is not None]
            if mine is not None and len(present) == len(others):
                ratios.append(mine[figure] / min(present))
        return ratios


def interleave(names: Sequence[str], rounds: int, measure: Callable[[str], Figures]) -> Measured:
    """Measure every name once a round; each round begins one name later, so none is always first."""
    measured = Measured({name: [] for name in names})
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            measured.others.append(busy_percent())
            try:
                measured.rounds[name].append(measure(name))
            except ContenderError as failure:
                print(f"  {failure}", file=sys.stderr, flush=True)
                measured.rounds[name].append(None)
                measured.failures[name] = str(failure)
    return measured


def spread(values: Sequence[float], unit: str = "", digits: int = 0) -> str:
    """`median (min-max)`, with thousands separated; a dash where there is nothing."""
    if not values:
        return "-"
    middle, low, high = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle}{unit}" if len(values) == 1 else f"{middle}{unit} ({low}-{high})"
