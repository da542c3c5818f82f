"""The judge finds what it is there to find, and nothing where all is well."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash.fleet import WORKER, Death
from crash.journal import Journal, Line, read, size
from crash.judge import SECOND, History, Row, broken, recoveries


def line(text: str) -> Line:
    """`"5 a start t 1"`: at second 5, worker a began attempt 1 of task t."""
    at, who, what, *rest = text.split()
    return Line(int(at) * SECOND, who, what, rest[0] if rest else "", tuple(rest[1:]))


def history(
    acks: list[str], effects: list[str], rows: list[Row], died: dict[str, int] | None = None
) -> History:
    deaths = [Death(who, WORKER, at * SECOND) for who, at in (died or {}).items()]
    return History([line(text) for text in effects], [line(text) for text in acks], deaths, rows)


ACKED = ["1 p calling p:1", "2 p acked p:1 quick 0.0"]
RUN = ["3 a claimed p:1 1", "3 a start p:1 1", "4 a end p:1 1", "5 a finished p:1 1"]
DONE = Row("p:1", "completed", "a 1")


def test_nothing_is_found_where_all_is_well() -> None:
    """A task that ran once, and one that ran again after a death, break no promise."""
    assert broken(history(ACKED, RUN, [DONE])) == []
    again = ["3 a start p:1 1", "7 b start p:1 2", "8 b end p:1 2", "8 b finished p:1 2"]
    assert broken(history(ACKED, again, [Row("p:1", "completed", "b 2")], {"a": 6})) == []


LATE = ["1 p calling p:1", "2 p acked p:1 late 3.5"]
CANCELLED = [*ACKED, "2 p cancelled p:1"]
TWO = [*ACKED, "3 p calling p:2", "3 p acked p:2 quick 0.0"]
UNRUN = Row("p:1", "pending")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("lost", history(ACKED, [], [])),
        ("not ended", history(ACKED, [], [UNRUN])),
        ("not ended", history(ACKED, RUN[:2], [Row("p:1", "running")], {"a": 9})),
        ("doubled outcome", history(ACKED, [*RUN, "6 a finished p:1 1"], [DONE])),
        ("doubled task", history(ACKED, RUN, [DONE, DONE])),
        ("wrong result", history(ACKED, RUN, [Row("p:1", "completed", "b 7")])),
        ("completed without having ended", history(ACKED, [], [DONE])),
        ("started too often", history(ACKED, [f"{n} {n} start p:1 {n}" for n in range(3, 7)], [])),
        ("run twice at once", history(ACKED, [*RUN[:2], "4 b start p:1 2"], [DONE])),
        ("run twice at once", history(ACKED, [*RUN[:2], "4 b start p:1 2"], [DONE], {"a": 6})),
        ("run after its outcome", history(ACKED, [*RUN, "6 b start p:1 2"], [DONE])),
        ("run after its outcome", history(ACKED, [*RUN[:3], "6 b start p:1 2"], [DONE], {"a": 5})),
        ("cancelled while waiting, but run", history(CANCELLED, RUN, [DONE])),
        ("cancelled, but kept as completed", history(CANCELLED, [], [DONE])),
        ("early", history(LATE, RUN, [DONE])),
        ("out of order", history(TWO, [], [Row("p:2", "cancelled"), Row("p:1", "cancelled")])),
        ("failed", history(ACKED, RUN, [Row("p:1", "failed", error="ValueError: x")])),
        ("given up too soon", history(ACKED, RUN, [Row("p:1", "failed", error="worker lost")], {"a": 9})),
    ],
)
def test_each_broken_promise_is_found(found: str, told: History) -> None:
    """Every rule names what breaks it."""
    assert found in {sentence.partition(":")[0] for sentence in broken(told)}


def test_a_recovery_is_measured_from_the_death_or_from_the_next_worker() -> None:
    """What counts is the time in which a task waited although a worker lived."""
    again = ["3 a start p:1 1", "9 b start p:1 2"]
    assert recoveries(history(ACKED, ["1 b up", *again], [], {"a": 6})) == [3.0]
    assert recoveries(history(ACKED, ["8 b up", *again], [], {"a": 6})) == [1.0]


def test_a_torn_line_counts_as_not_written(tmp_path: Path) -> None:
    """A process that is killed amid its write harms no line but its own."""
    path = tmp_path / "acks"
    journal = Journal(path, "p-1")
    journal.write("acked", "p:1", "quick", 0.0)
    with path.open("a") as file:
        file.write("\n123 p-1 ack")
    since = size(path)
    journal.write("acked", "p:2", "quick", 0.0)
    assert [line.id for line in read(path)] == ["p:1", "p:2"]
    assert [line.id for line in read(path, since)] == ["p:2"]
