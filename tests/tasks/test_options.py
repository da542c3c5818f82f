"""The options of a task: checked where they are written, kept with the task, changed for one call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.tasks.conftest import Helped

from hypern import Backoff, InvalidOption, Task, background, submit_task
from hypern.records import Rules
from hypern.tasks.options import Options


def plain(a: int = 0) -> int:
    return a


class OneError(LookupError):
    pass


RIGHT: list[tuple[str, Any, str, Any]] = [
    ("priority", "critical", "priority", 20),
    ("priority", -3, "priority", -3),
    ("queue", "mail.bulk_2-b", "queue", "mail.bulk_2-b"),
    ("queue", "q" * 64, "queue", "q" * 64),
    ("retries", 0, "retries", 0),
    ("retries", 7, "retries", 7),
    ("backoff", 3, "backoff", Backoff(3.0, 1.0, 3.0, False)),
    ("backoff", 0, "backoff", Backoff(0.0, 1.0, 0.0, False)),
    ("backoff", Backoff(first=2, factor=3), "backoff", Backoff(first=2, factor=3)),
    ("retry_on", ValueError, "retry_on", ("builtins:ValueError",)),
    ("retry_on", (OneError, OSError), "retry_on", (f"{__name__}:OneError", "builtins:OSError")),
    ("timeout", 0.5, "timeout", 0.5),
    ("isolate", "process", "isolate", True),
    ("expires", 60, "expires", 60.0),
    ("rate", "10/s", "rate", 10.0),
    ("rate", "5/10s", "rate", 0.5),
    ("rate", " 90 / 1.5 m ", "rate", 1.0),
    ("rate", "36/h", "rate", 0.01),
    ("rate", "86400/d", "rate", 1.0),
    ("on_crash", "fail", "on_crash", "fail"),
    ("result_ttl", 0, "result_ttl", 0.0),
]

WRONG: list[tuple[str, Any]] = [
    *[("delay_seconds", value) for value in (-1, math.nan, math.inf, "5", True, 10**400)],
    *[("priority", value) for value in ("urgent", 1.5, True, 2**31)],
    *[("queue", value) for value in ("", "two words", "q" * 65, "mail\n", 7, "größe")],
    *[("retries", value) for value in (-1, 1.0, "3", True)],
    *[("backoff", value) for value in (-1, "5", math.nan, Backoff(first=-1), Backoff(factor=0.5))],
    *[("backoff", value) for value in (Backoff(longest=math.inf), Backoff(first="1"))],  # type: ignore[arg-type]
    *[("retry_on", value) for value in ((), int, "ValueError", [ValueError], ValueError("x"))],
    *[("timeout", value) for value in (0, -1, math.inf, "5s", True)],
    *[("isolate", value) for value in (True, "thread", "")],
    *[("expires", value) for value in (0, -1, math.nan)],
    *[("unique", value) for value in ("", "k" * 257, 7, ["a"])],
    *[("unique_for", value) for value in (0, -5, "1h")],
    *[("rate", value) for value in (10, "10", "0/s", "10/0s", "10/w", "-1/s", "10 per s", "1/99999999d")],
    *[("rate", value) for value in ("0." + "0" * 330 + "1/s", "9" * 400 + "/s")],
    *[("on_crash", value) for value in ("ignore", True, ["retry"])],
    *[("result_ttl", value) for value in (-1, math.inf)],
    *[("task_id", value) for value in ("", "two words", "x" * 129, 5)],
]


@pytest.mark.parametrize(("name", "given", "rule", "kept"), RIGHT)
def test_what_is_right_is_kept(name: str, given: Any, rule: str, kept: Any) -> None:
    """An option becomes a rule that goes with the task, in one form however it was written."""
    task: Task[..., int] = background(**{name: given})(plain)
    assert getattr(task.spec.rules, rule) == kept
    assert task.spec.rules == Rules(**{rule: kept})


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_is_wrong_is_refused(engine: Helped, name: str, value: Any) -> None:
    """A value that cannot work is refused wherever it is written, by an error that names the option."""
    writings: list[Callable[[], object]] = [
        lambda: background(plain).with_options(**{name: value}),
        lambda: submit_task(plain, **{name: value}),
    ]
    if name != "task_id":
        writings.append(lambda: background(**{name: value}))
    for write in writings:
        with pytest.raises(InvalidOption, match=f"(?i){name}"):
            write()
    assert sum(engine.store.count().values()) == 0


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("delay", "delay_seconds"),
        ("max_retries", "retries"),
        ("time_out", "timeout"),
        ("expire", "expires"),
        ("queue_name", "queue"),
        ("uniqe", "unique"),
        ("prio", "priority"),
    ],
)
def test_a_slip_of_the_pen(written: str, meant: str) -> None:
    """An unknown option is refused, and the one that was probably meant is named."""
    for write in (background, background(plain).with_options):
        options: dict[str, Any] = {written: 1}
        with pytest.raises(InvalidOption, match=f"no task option '{written}'; did you mean '{meant}'"):
            write(**options)


def test_an_unknown_option() -> None:
    """Where nothing similar exists the error lists what there is, also if the value is None."""
    for value in (None, 1):
        with pytest.raises(InvalidOption, match=r"there are backoff, .*, delay_seconds, .*unique_for"):
            background(plain).with_options(xyz=value)  # type: ignore[call-arg]


def test_none_is_not_given() -> None:
    """None leaves an option as it is, so that it can be handed on."""
    task = background(priority="high", timeout=5, unique=True, delay_seconds=3)(plain)
    other = task.with_options(priority=None, timeout=None, unique=None, delay_seconds=None, task_id=None)
    assert other.options == task.options


def test_options_for_one_call(engine: Helped) -> None:
    """with_options changes what it is given and nothing else, and leaves the task itself as it was."""
    task = background(priority=3, retries=2, queue="mail")(plain)
    urgent = task.with_options(priority=9)
    assert (urgent.spec.rules.priority, urgent.spec.rules.retries, urgent.spec.queue) == (9, 2, "mail")
    assert task.spec.rules.priority == 3
    engine.pause()
    for submitted, priority in [(task(1), 3), (urgent(1), 9), (submit_task(task, (1,), priority=5), 5)]:
        record = engine.store.get(submitted)
        assert record is not None
        assert (record.rules.priority, record.rules.retries, record.rules.queue) == (priority, 2, "mail")


def test_an_id_belongs_to_one_call(engine: Helped) -> None:
    """task_id is refused at the decorator, where every call would be the same task, with advice."""
    with pytest.raises(InvalidOption, match=r"with_options\(task_id=…\)"):
        background(task_id="one")(plain)  # type: ignore[call-overload]
    assert background(plain).with_options(task_id="one")(5) == "one"
    assert engine.one("one").result == 5


def test_a_time_needs_a_key() -> None:
    """unique_for without unique is refused where it is written."""
    with pytest.raises(InvalidOption, match="needs unique="):
        background(unique_for=60)(plain)
    assert background(unique_for=60, unique=True)(plain).with_options(unique=False).options.unique is False


def test_the_usual_options_are_the_usual_rules() -> None:
    """Without options all tasks have the rules that a record leaves out when it is written down."""
    assert Options().rules == background(plain).spec.rules == Rules()


@pytest.mark.parametrize("key", ["half \ud800", "nul \0"])
def test_a_key_that_no_store_can_keep(engine: Helped, key: str) -> None:
    """It is refused where it is written, and where a function gives it, in every store alike."""
    with pytest.raises(InvalidOption, match="NUL or half"):
        background(unique=key)(plain)
    with pytest.raises(InvalidOption, match="NUL or half"):
        submit_task(plain, unique=lambda **_: key)
