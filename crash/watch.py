"""Looks at the store while the run goes on: what was once true must stay true."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from crash.fleet import Death
from crash.tables import Tables


@dataclass
class Watch:
    """Remembers how each task of `tables` ended. `orphans`: (id, moment of death) of tasks that were found
    held by a worker that had died before."""

    tables: Tables
    orphans: list[tuple[str, int]] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _ended: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def look(self, acked: Collection[str], deaths: Sequence[Death]) -> list[str]:
        """What is broken now. `acked`: ids that were acknowledged before."""
        broken = []
        snapshot = self.tables.read()
        if snapshot.integrity != "ok":
            broken.append(f"integrity: {snapshot.integrity}")
        for task_id, owner in snapshot.owners.items():
            if deaths and self.tables.is_dead(owner):
                self.orphans.append((task_id, deaths[-1].at))
        known = {row.id: row for row in snapshot.rows}
        lost = {task_id for task_id in acked if task_id not in known} - self._lost
        broken += [f"lost: {task_id} was there before kill {len(deaths)}" for task_id in sorted(lost)]
        self._lost |= lost
        for task_id, row in known.items():
            before = self._ended.get(task_id)
            if before is not None and before != snapshot.outcomes.get(task_id):
                broken.append(f"changed outcome: {task_id} was {before}, is {row.status}")
            if row.is_ended:
                self._ended.setdefault(task_id, snapshot.outcomes[task_id])
        return broken
