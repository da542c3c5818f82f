"""How long ended tasks are kept."""

from __future__ import annotations

import msgspec

from hypern.records import Rules


class Keeping(msgspec.Struct, frozen=True):
    """`seconds`: how long ended tasks are kept that have no `result_ttl`; `number`: how many at most, None:
    all."""

    seconds: float
    number: int | None

    def gone_at(self, rules: Rules, ended_at: float) -> float:
        """When a task is forgotten that ended at that second."""
        return ended_at + (self.seconds if rules.result_ttl is None else rules.result_ttl)
