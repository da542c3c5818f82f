"""What is kept of an exception: bounded, printable, telling; whatever the exception does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from tests.tasks.conftest import Helped

from hypern import TaskStatus, submit_task
from hypern.tasks.failure import ERROR_LIMIT, TRACEBACK_LIMIT, failure

# What is left out is named in a few words more.
SLACK = 200


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class EndsTheProgram(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class EvilWords(str):
    def __format__(self, spec: str) -> str:
        raise ValueError("not formatted")

    def __len__(self) -> int:
        raise ValueError("not measured")


class EvilMessage(Exception):
    def __str__(self) -> str:
        return EvilWords("words")


class EvilCause(Exception):
    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise KeyError("no cause")


class EvilKind(type):
    @property
    def __name__(cls) -> NoReturn:  # type: ignore[override]
        raise ValueError("no name")

    @property
    def __module__(cls) -> NoReturn:  # type: ignore[override]
        raise ValueError("no module")


class Nameless(Exception, metaclass=EvilKind):
    pass


def ring() -> Exception:
    first, second = ValueError("first"), KeyError("second")
    first.__context__, second.__context__ = second, first
    return first


def chain(length: int) -> Exception:
    link = ValueError("link 0")
    for number in range(1, length):
        longer = ValueError(f"link {number}")
        longer.__cause__, link = link, longer
    return link


def deep_group(depth: int) -> Exception:
    group: Exception = ValueError("inmost")
    for _ in range(depth):
        group = ExceptionGroup("around", [group])
    return group


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "unprintable": Unprintable,
    "str() exits": EndsTheProgram,
    "a str that fights": EvilMessage,
    "a cause that raises": EvilCause,
    "100 MB of message": lambda: ValueError("x" * 100_000_000),
    "ring": ring,
    "10,000 causes": lambda: chain(10_000),
    "a deep group": lambda: deep_group(3000),
    "a wide group": lambda: ExceptionGroup("many", [ValueError(str(n)) for n in range(10_000)]),
    "a group of huge ones": lambda: ExceptionGroup("m", [ValueError("y" * 1_000_000) for _ in range(20)]),
    "surrogates": lambda: ValueError("broken \udcff text \ud800"),
    "control characters": lambda: ValueError("\x00\x1b[31m\n"),
    "no message": ValueError,
    "arguments of all kinds": lambda: ValueError(1, None, Unprintable()),
    "KeyError": lambda: KeyError("key"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    "SyntaxError": lambda: SyntaxError("bad", ("file", 1, 1, "text")),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_exception_leaves_a_bounded_text(kind: str) -> None:
    """Error and traceback are short, can be encoded, and name the exception; nothing else is raised."""
    exception = HOSTILE[kind]()
    kept = failure(exception)
    assert kept.error.startswith(type(exception).__name__)
    assert type(exception).__name__ in kept.traceback
    assert len(kept.error) <= ERROR_LIMIT + SLACK
    assert len(kept.traceback) <= TRACEBACK_LIMIT + SLACK
    assert json.loads(json.dumps(kept.error)) == kept.error
    (kept.error + kept.traceback).encode("utf-8")


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_worker_outlives_it(use: Any, kind: str) -> None:
    """A task that raises it is FAILED, and the only worker runs the next task."""
    engine = use(task_workers=1)

    def raises() -> None:
        raise HOSTILE[kind]()

    async def raises_too() -> None:
        raises()

    for result in engine.done(submit_task(raises), submit_task(raises_too)):
        assert result.status is TaskStatus.FAILED
        assert result.error.startswith(type(HOSTILE[kind]()).__name__)
    assert engine.one(submit_task(int)).is_success()


def test_a_class_that_hides_its_name(engine: Helped) -> None:
    """A metaclass that raises when it is asked for the name does not keep a task RUNNING."""

    def raises() -> None:
        raise Nameless("no name")

    async def raises_too() -> None:
        raises()

    for result in engine.done(submit_task(raises), submit_task(raises_too)):
        assert result.error == "Nameless: no name"


def test_what_it_says(engine: Helped) -> None:
    """The error is the exception's name and message; the traceback shows the user's frames only."""

    def reads_row() -> None:
        raise ValueError("bad row")

    result = engine.one(submit_task(reads_row))
    assert result.error == "ValueError: bad row"
    assert result.traceback is not None
    assert result.traceback.startswith("Traceback (most recent call last):\n")
    assert 'raise ValueError("bad row")' in result.traceback
    assert result.traceback.endswith("ValueError: bad row\n")
    assert "run.py" not in result.traceback


def test_causes_are_told() -> None:
    """A chain is written oldest first, with Python's words between."""
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        text = failure(error).traceback
    inner, outer = text.index("KeyError: 'inner'"), text.index("ValueError: outer")
    assert inner < text.index("direct cause") < outer


def test_context_is_told_and_can_be_suppressed() -> None:
    """What was being handled is told, unless `from None` says not to."""

    def text(suppress: bool) -> str:
        try:
            try:
                raise KeyError("inner")
            except KeyError:
                if suppress:
                    raise ValueError("outer") from None
                raise ValueError("outer")  # noqa: B904
        except ValueError as error:
            return failure(error).traceback

    assert "During handling of the above exception" in text(suppress=False)
    assert "inner" not in text(suppress=True)


def test_the_parts_of_a_group_are_told() -> None:
    """An ExceptionGroup names what is in it."""
    text = failure(ExceptionGroup("two", [ValueError("one part"), KeyError("other part")])).traceback
    assert "ValueError: one part" in text
    assert "KeyError: 'other part'" in text


def test_recursion(use: Any) -> None:
    """Endless recursion fails its task with a bounded traceback; the worker goes on."""
    engine = use(task_workers=1)

    def deeper(level: int) -> int:
        return deeper(level + 1)

    result = engine.one(submit_task(deeper, (0,)))
    assert result.error is not None
    assert result.error.startswith("RecursionError")
    assert result.traceback is not None
    assert len(result.traceback) < 10_000
    assert engine.one(submit_task(int)).is_success()


class Raising(logging.Handler):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("broken handler"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("lane", ["plain", "coroutine"])
def test_a_broken_log_handler(use: Any, error: BaseException, lane: str) -> None:
    """A logging handler that raises costs neither the outcome nor the worker."""
    engine = use(task_workers=1)

    def fails() -> None:
        raise ValueError("the task's own")

    async def fails_too() -> None:
        fails()

    handler = Raising(error)
    logging.getLogger("hypern.tasks").addHandler(handler)
    try:
        for _ in range(3):
            result = engine.one(submit_task(fails if lane == "plain" else fails_too))
            assert result.error == "ValueError: the task's own"
        engine.settle()
    finally:
        logging.getLogger("hypern.tasks").removeHandler(handler)
    assert engine.one(submit_task(int)).is_success()


def test_failures_are_logged(use: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One error line names the task, its id and the traceback."""
    engine = use(task_workers=1)

    def fails() -> None:
        raise ValueError("bad row")

    task_id = submit_task(fails)
    engine.one(submit_task(int))  # once the only worker does something else it has logged
    (record,) = [entry for entry in caplog.records if entry.name == "hypern.tasks"]
    assert record.levelno == logging.ERROR
    assert task_id in record.getMessage()
    assert "ValueError: bad row" in record.getMessage()
