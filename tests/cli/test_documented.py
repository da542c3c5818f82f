"""The documentation names every command and option there is, and docs/command-line.md no other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from tests.docs.pages import PAGES, ROOT

from hypern.cli import _parser

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
ALL = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
_COMMAND = re.compile(r"`(hypern [a-z]+(?: [a-z]+)?)[^`]*`")


def commands(parser: argparse.ArgumentParser, path: str = "hypern") -> Iterator[tuple[str, list[str]]]:
    """Each command and verb, with its options."""
    options = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    yield path, options
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from commands(inner, f"{path} {name}")


def test_every_command_is_described() -> None:
    """And no other."""
    there = {path for path, _ in commands(_parser()) if " " in path}
    groups = {path for path in there if any(other.startswith(f"{path} ") for other in there)}
    assert there - groups - set(_COMMAND.findall(ALL)) == set()
    assert set(_COMMAND.findall(PAGE)) - there == set()


def test_every_option_is_described() -> None:
    """By its name."""
    options = {option for _, options in commands(_parser()) for option in options}
    assert {option for option in options if not re.search(rf"{option}\b", ALL)} - {"--version"} == set()
