"""When schedules tick, how they read, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypern import InvalidOption, cron, every
from hypern.tasks.schedules import Cron, Every

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*parts: int, fold: int = 0) -> float:
    return datetime(2026, *parts, tzinfo=BERLIN, fold=fold).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("expression", "since", "ticks"),
    [
        ("0 3 * * *", (5, 4, 2), [(5, 4, 3), (5, 5, 3)]),
        ("30 2 * * *", (3, 28, 12), [(3, 29, 3), (3, 30, 2, 30)]),
        ("30 2 * * *", (10, 24, 12), [(10, 25, 2, 30), (10, 26, 2, 30)]),
        ("*/30 * * * *", (10, 25, 2, 15), [(10, 25, 2, 30)]),
        ("0 9 * * MON#1", (5, 4, 12), [(6, 1, 9)]),
        ("@monthly", (5, 4, 12), [(6, 1), (7, 1)]),
        ("15 0 3 * * *", (5, 4, 2), [(5, 4, 3, 0, 15)]),
    ],
)
def test_cron(expression: str, since: tuple[int, ...], ticks: list[tuple[int, ...]]) -> None:
    """Ticks are where the zone's clocks show it; after the gap in spring; once in autumn."""
    schedule = Cron(expression, "Europe/Berlin")
    moment = berlin(*since)
    for expected in ticks:
        found = schedule.after(moment)
        assert found == berlin(*expected)
        assert schedule.latest(found) == found
        assert schedule.latest(found - 1) != found
        moment = found


def test_cron_between_two_equal_hours() -> None:
    """In the second of two equal hours the tick of the first is over: it neither comes again nor is it
    forgotten as the latest. By the passing of time, the second hour has ticks of its own."""
    schedule = Cron("30 2 * * *", "Europe/Berlin")
    second = berlin(10, 25, 2, 15, fold=1)
    assert schedule.after(second) == berlin(10, 26, 2, 30)
    assert schedule.latest(second) == berlin(10, 25, 2, 30)
    assert Cron("*/30 * * * *", "Europe/Berlin").after(second) == berlin(10, 25, 2, 30, fold=1)


@given(
    st.sampled_from(
        ["*/7 * * * *", "30 2 * * *", "0 0 L * *", "0 12 * * MON-FRI", "5 4 29 2 *", "1 1 1 1 1 *"]
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    st.floats(min_value=datetime(2020, 1, 1).timestamp(), max_value=datetime(2030, 1, 1).timestamp()),
)
def test_after_and_latest_agree(expression: str, tz: str, wall: float) -> None:
    """The latest tick before the next one is the one before; nothing lies between."""
    schedule = Cron(expression, tz)
    latest, after = schedule.latest(wall), schedule.after(wall)
    assert latest is not None
    assert after is not None
    assert latest <= wall < after
    assert schedule.after(latest) == after
    assert schedule.latest(after - 0.5) == latest


def test_every() -> None:
    """Ticks lie at the multiples of the period since the epoch, whenever one asks."""
    schedule = Every(30)
    assert [schedule.after(wall) for wall in (0.0, 29.9, 30.0, 44.0)] == [30.0, 30.0, 60.0, 60.0]
    assert [schedule.latest(wall) for wall in (29.9, 30.0, 44.0)] == [0.0, 30.0, 30.0]


def test_words() -> None:
    """A schedule can be read."""
    assert [Every(period).words for period in (1, 30, 3600, 7200, 86_400, 90)] == [
        "every second",
        "every 30 seconds",
        "every hour",
        "every 2 hours",
        "every day",
        "every 90 seconds",
    ]
    assert Cron("0 3 * * *", "Europe/Berlin").words == "at 03:00 every day (Europe/Berlin)"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("61 * * * *", "'61' cannot be its minute"),
        ("* * * FOO *", "'FOO' cannot be its month"),
        ("* * * * 9", "'9' cannot be its day-of-week"),
        ("99 * * * * *", "'99' cannot be its second"),
        ("* * *", "must have five fields"),
        ("0 0 31 4 *", "'31' cannot be its day-of-month"),
        ("@often", "must have five fields"),
        (5, "takes an expression"),
    ],
)
def test_impossible_expressions(expression: Any, words: str) -> None:
    """A wrong expression is refused at the decorator, which names the field."""
    with pytest.raises(InvalidOption, match=words):
        cron(expression)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cron("0 3 * * *", tz="Europe/Nowhere"),
        lambda: cron("0 3 * * *", tz=""),
        lambda: cron("0 3 * * *", tz=None),  # type: ignore[arg-type]
        lambda: every(seconds=0),
        lambda: every(seconds=0.5),
        lambda: every(seconds=True),
        lambda: every(seconds=float("inf")),
        lambda: every(seconds=5, catch_up=1),  # type: ignore[arg-type]
    ],
)
def test_impossible_options(make: Callable[[], object]) -> None:
    """Zones, periods and switches that cannot work are refused at the decorator."""
    with pytest.raises(InvalidOption):
        make()
