"""What a case hands back: Markdown tables, and targets that were reached or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.rounds import Measured, spread


@dataclass(frozen=True)
class Target:
    """One line of the promise: the median of `values` must be at least, or at most, `limit`."""

    text: str
    values: Sequence[float]
    limit: float
    at_least: bool = True
    unit: str = "x"
    digits: int = 2

    @property
    def verdict(self) -> str:
        if not self.values:
            return "not measured"
        middle = median(self.values)
        kept = middle >= self.limit if self.at_least else middle <= self.limit
        return "reached" if kept else "**not reached**"

    def row(self) -> tuple[str, ...]:
        sign = "≥" if self.at_least else "≤"
        return (
            self.text,
            f"{sign} {self.limit:g}{self.unit}",
            spread(self.values, self.unit, self.digits),
            self.verdict,
        )


@dataclass
class Report:
    """One case: its title, a sentence on how to read it, its table, its targets, and what was measured."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target]
    measured: Measured

    def markdown(self) -> str:
        parts = [f"## {self.title}", self.note, table(self.header, self.rows)]
        if self.targets:
            parts.append(
                table(("target", "to reach", "measured", ""), [target.row() for target in self.targets])
            )
        parts += [f"Not measured: {name}: {reason}" for name, reason in self.measured.failures.items()]
        parts.append(
            f"Taken by other programs meanwhile: {spread(self.measured.others, ' %')} of the machine."
        )
        return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
