"""`hypern tasks check`: whether the code of today can run the tasks that wait."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

import msgspec

from hypern.cli.arguments import APP, Commands
from hypern.cli.looking import add_json, find_engine, wants_json
from hypern.cli.output import counted, progress, safe, say, say_json
from hypern.codec.calls import load_call
from hypern.codec.naming import find_function
from hypern.errors import TaskError
from hypern.records import Rules
from hypern.stores.durable.carried import Carried
from hypern.stores.durable.rows import DAMAGE
from hypern.stores.opening import open_carrier

_AT_ONCE = 1000
_WOULD_FAIL = 1


class Trouble(msgspec.Struct):
    """Waiting tasks that would fail in the same way. `example`: the id of one of them."""

    name: str
    problem: str
    example: str
    number: int = 0


def add_check(verbs: Commands) -> None:
    command = verbs.add_parser(
        "check",
        help="see whether an app can run the tasks that wait: 1 if one would fail",
        description="Hold each waiting task of the app's store against the app's functions of today, without "
        "running or changing any.",
        allow_abbrev=False,
    )
    command.add_argument("app", metavar="APP", help=f"{APP}. A module without an app will do")
    command.add_argument(
        "--store", metavar="URL", default=argparse.SUPPRESS, help="take the tasks from there instead"
    )
    add_json(command)
    command.set_defaults(do=check)


def check(given: argparse.Namespace) -> int:
    """What would fail, by task and reason. 1 if anything would."""
    engine = find_engine(argparse.Namespace(app=given.app))
    url = getattr(given, "store", None) or engine.settings.task_store
    engine.store.close()
    found: dict[tuple[str, str], Trouble] = {}
    checked = 0
    with progress() as shown:
        for task in _waiting(url):
            checked += 1
            shown.at(checked)
            problem = _problem(task)
            if problem is not None:
                trouble = found.setdefault((task.name, problem), Trouble(task.name, problem, task.id))
                trouble.number += 1
    if wants_json(given):
        say_json({"checked": checked, "would_fail": list(found.values())})
    else:
        for trouble in found.values():
            say(safe(f"{trouble.number:,} × {trouble.name}: {trouble.problem} (for one, {trouble.example})"))
        failing = sum(trouble.number for trouble in found.values())
        say(f"{counted(checked, 'waiting task', 'waiting tasks')} checked, {failing:,} would fail")
    return _WOULD_FAIL if found else 0


def _waiting(url: str) -> Iterator[Carried]:
    carrier = open_carrier(url, must_exist=True)
    try:
        last = 0
        while tasks := carrier.read(last, _AT_ONCE):
            yield from tasks
            last = tasks[-1].seq
    finally:
        carrier.close()


def _problem(task: Carried) -> str | None:
    """Why it would fail; None: it would be called."""
    try:
        function = find_function(task.func)
        args, kwargs = load_call(task.call)
        msgspec.json.decode(task.rules, type=Rules)
    except (TaskError, *DAMAGE) as error:
        return str(error)
    return _does_not_fit(getattr(function, "func", function), args, kwargs)


def _does_not_fit(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"its arguments do not fit {function.__qualname__}{signature}: {error}"
    return None
