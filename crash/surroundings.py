"""What a process of the harness is told by its environment, and the journals that it writes to."""

import os
from dataclasses import dataclass
from pathlib import Path

from crash.journal import ACKS, EFFECTS, Journal

HOME = "CRASH_HOME"
STORE = "CRASH_STORE"
WHO = "CRASH_WHO"
COUNT = "CRASH_COUNT"
POINT = "HYPERN_CRASH_POINT"
# More ended tasks than a run has: the judge wants to see them all.
KEPT = 1_000_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`home`: where the journals are; `store`: URL; `who`: this incarnation; `count`: how many tasks to
    submit or to finish before ending, 0: until told."""

    home: Path
    store: str
    who: str
    count: int

    @classmethod
    def read(cls) -> "Surroundings":
        home = Path(os.environ[HOME])
        return cls(home, os.environ[STORE], os.environ[WHO], int(os.environ.get(COUNT, "0")))

    def journal(self, name: str) -> Journal:
        return Journal(self.home / name, self.who)

    @property
    def pulse(self) -> Path:
        return pulse_file(self.home, self.who)


def pulse_file(home: Path, who: str) -> Path:
    """Where incarnation `who` proves that it lives."""
    return home / f"pulse-{who}"


__all__ = ["ACKS", "COUNT", "EFFECTS", "HOME", "KEPT", "POINT", "STORE", "WHO", "Surroundings", "pulse_file"]
