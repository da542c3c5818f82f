"""The lines that tasks have written to the log, as a memory store keeps them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hypern.stores.overview import LINES_KEPT, LogLine


class Logs:
    """Not thread-safe: the store that owns it holds its lock."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[LogLine]] = {}

    def keep(self, task_id: str, lines: Sequence[LogLine]) -> None:
        self._lines.setdefault(task_id, deque(maxlen=LINES_KEPT)).extend(lines)

    def of(self, task_id: str) -> list[LogLine]:
        return list(self._lines.get(task_id, ()))

    def forget(self, task_id: str) -> None:
        self._lines.pop(task_id, None)
