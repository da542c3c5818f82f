"""Eight processes that open a store which is not there yet, and submit the same task, at the same moment."""

from __future__ import annotations

from pathlib import Path

from crash.rows import read_store
from tests.crash.conftest import MakePuppet

PROCESSES = 8


def test_one_store_and_one_task_come_of_it(puppet: MakePuppet, home: Path) -> None:
    """The file is made once, nobody sees an error, and the id that all submitted is there once."""
    puppets = [puppet(f"p{number}", opens=False) for number in range(PROCESSES)]
    for each in puppets:
        each.tell("ready")
    for each in puppets:
        each.ask("open", task_workers=0)
    for each in puppets:
        each.answer()
    for each in puppets:
        each.ask("submit", task_id="shared", kind="quick", delay=60.0, args=())
    assert [each.answer() for each in puppets] == ["shared"] * PROCESSES
    for number, each in enumerate(puppets):
        each.submit(f"own:{number}", "quick", 60.0)
    snapshot = read_store(home / "tasks.db")
    assert snapshot.integrity == "ok"
    assert sorted(row.id for row in snapshot.rows) == sorted(
        ["shared", *(f"own:{n}" for n in range(PROCESSES))]
    )
