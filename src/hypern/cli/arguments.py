"""Kinds of arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

# Where a command puts its arguments. The class is generic for type checkers only.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

APP = (
    "where the app is: module:name, as in app:app. The module alone finds one called app or application; "
    "app:create_app() calls a function that makes it"
)
STORE = "the store, as in task_store: sqlite:///tasks.db, postgresql://user@host/database"


def seconds(text: str) -> float:
    """A number of seconds, 0 or more. Raises ArgumentTypeError, as do the others."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return number


def at_least(least: int) -> Callable[[str], int]:
    """A whole number, not less than that."""

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > 15 or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} or more")
        return int(text)

    return number


def names(text: str) -> tuple[str, ...]:
    """Names with commas between."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has to be names with commas between, as in mail,reports")
    return found
