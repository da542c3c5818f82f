"""What a run found, as a table of Markdown."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash import phases
from crash.fleet import Death
from crash.journal import ACKS, EFFECTS, Line, read
from crash.judge import History, Row, broken, recoveries
from crash.tables import Tables, kept_order


@dataclass
class Found:
    """One kind of run. `windows`: it says nothing unless kills fell into each of these; `broken`:
    sentences, one for each broken promise; `waits`: seconds of recovery;
    `unreached`: how often a named point was waited for in vain; `refused`: errors that submit raised."""

    title: str
    windows: Mapping[str, Callable[[str], bool]]
    cycles: int = 0
    ids: int = 0
    stopped: int = 0
    restarts: int = 0
    recovers_within: float = 0.0
    starts: int = 0
    failed: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    unreached: dict[str, int] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def judge(
        self,
        home: Path,
        deaths: Sequence[Death],
        orphans: Iterable[tuple[str, int]],
        looked: Sequence[Row],
        tables: Tables,
    ) -> None:
        """Read the journals in `home` and judge them. May be called for several homes in turn."""
        self.recovers_within = tables.recovers_within
        effects, acks = read(home / EFFECTS), read(home / ACKS)
        by_id = {row.id: row for row in looked}
        rows = [by_id[task_id] for task_id in kept_order(tables) if task_id in by_id]
        history = History(effects, acks, deaths, rows)
        self.broken += broken(history)
        self.waits += recoveries(history, orphans)
        self.ids += len(history.acked())
        self.starts += sum(line.what == "start" for line in effects)
        self.failed += sum(row.status == "failed" for row in rows)
        self.refused += Counter(line.words[0] for line in acks if line.what == "refused")
        self._count_kills(deaths, [*effects, *acks])

    def _count_kills(self, deaths: Sequence[Death], lines: Sequence[Line]) -> None:
        told: dict[str, list[Line]] = {}
        for line in lines:
            told.setdefault(line.who, []).append(line)
        self.kills += Counter(phases.phase(death, told.get(death.who, ())) for death in deaths)

    @property
    def counts(self) -> bool:
        """Whether the run says anything: each window was met by a kill."""
        return not self._unmet()

    @property
    def is_good(self) -> bool:
        """Nothing broken, recovery in time, and worth something."""
        return not self.broken and self.counts and max(self.waits, default=0.0) < self.recovers_within

    def _unmet(self) -> list[str]:
        return [name for name, is_in in self.windows.items() if not any(map(is_in, self.kills))]

    def markdown(self) -> str:
        parts = [f"## {self.title}", _table(("what", "figure"), self._rows())]
        kills = [(name, str(times)) for name, times in sorted(self.kills.items())]
        parts.append(_table(("killed while", "times"), kills))
        if not self.counts:
            parts.append(f"**This run does not count: no kill fell into {' and '.join(self._unmet())}.**")
        if self.unreached:
            parts.append(f"Named points that were not reached in time: {_listed(self.unreached)}.")
        parts += [f"* **broken:** {sentence}" for sentence in self.broken[:50]]
        if len(self.broken) > 50:
            parts.append(f"* … and {len(self.broken) - 50} more.")
        return "\n\n".join(parts) + "\n"

    def _rows(self) -> list[tuple[str, str]]:
        waits = sorted(self.waits)
        kinds = Counter(sentence.partition(":")[0] for sentence in self.broken)
        others = {kind: n for kind, n in kinds.items() if kind not in ("lost", "doubled outcome")}
        return [
            ("cycles", f"{self.cycles:,}"),
            ("kills", f"{self.kills.total():,}"),
            *([("workers stopped for a while", str(self.stopped))] if self.stopped else []),
            *([("servers stopped at once", str(self.restarts))] if self.restarts else []),
            ("tasks acknowledged", f"{self.ids:,}"),
            ("starts", f"{self.starts:,}"),
            ("lost", str(kinds["lost"])),
            ("doubled outcomes", str(kinds["doubled outcome"])),
            ("other broken promises", _listed(others) or "0"),
            ("failed after three deaths of their workers", str(self.failed)),
            ("errors raised by submit", _listed(self.refused) or "0"),
            ("recoveries", f"{len(waits):,}"),
            ("recovery p50 / p99 / max", " / ".join(f"{_part(waits, p):.3f} s" for p in (0.5, 0.99, 1.0))),
            (
                f"recovery within {self.recovers_within:g} s",
                "always" if max(waits, default=0.0) < self.recovers_within else "**no**",
            ),
        ]


def _part(ordered: Sequence[float], part: float) -> float:
    """The value below which this part of them lies; 0.0 if there are none."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
