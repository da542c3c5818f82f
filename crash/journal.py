"""The oracle: append-only files outside of the store, in which every process writes what it did, and when."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# What a process that is killed amid its write leaves behind lacks this, and is taken as not written.
_END = "."

EFFECTS = "effects"
"""Name of the file of the workers: `up`, `claimed`, `start`, `end`, `raised`, `finished`, `retried`."""
ACKS = "acks"
"""Name of the file of the producers, synced line by line: `calling`, `acked`, `cancelled`, `refused`."""


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: nanoseconds of CLOCK_MONOTONIC; `who`: the incarnation of a process; `what` it did to task `id`
    (empty where no task is meant); `words`: more about it."""

    at: int
    who: str
    what: str
    id: str = ""
    words: tuple[str, ...] = ()


class Journal:
    """Appends lines of one incarnation to one file. Any number of processes may share the file."""

    def __init__(self, path: Path, who: str) -> None:
        self._who = who
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, what: str, *words: object, sync: bool = False) -> None:
        """Append one line in one system call. `sync`: return once it is on the disk."""
        line = " ".join(map(str, (time.monotonic_ns(), self._who, what, *words, _END)))
        # Whatever torn line stands before it, this one begins on a line of its own.
        os.write(self._file, f"\n{line}\n".encode())
        if sync:
            os.fsync(self._file)


def size(path: Path) -> int:
    """Bytes written so far."""
    return path.stat().st_size if path.exists() else 0


def read(path: Path, offset: int = 0) -> list[Line]:
    """The complete lines from this byte on, in the order in which they were appended; none without a file."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(offset)
        return list(_parse(file.read().decode(errors="replace").split("\n")))


def _parse(texts: Iterable[str]) -> Iterable[Line]:
    for text in texts:
        words = text.split(" ")
        if len(words) >= 4 and words[-1] == _END:
            at, who, what, *rest = words[:-1]
            yield Line(int(at), who, what, rest[0] if rest else "", tuple(rest[1:]))
