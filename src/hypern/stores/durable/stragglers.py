"""Stragglers: what waits to be written and finds no company."""

from __future__ import annotations

from hypern.stores.durable.pieces import Piece
from hypern.stores.durable.writer import Writer


class Stragglers:
    """Used by the thread that looks after a store every few milliseconds.

    How tasks ended is written together with the claim of the next ones. Where that does not come soon, as
    when a long task follows, the writer's own thread does it; to have it do so at each look would split what
    belongs together, and its commits would take the interpreter from those who work.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._eldest: Piece | None = None

    def look(self) -> bool:
        """Have written what has been in line since the last look. Whether nothing is in line."""
        eldest = self._writer.eldest()
        if eldest is not None and eldest is self._eldest:
            self._writer.ring()
        self._eldest = eldest
        return eldest is None
