"""What the commands print: text that no terminal takes for orders, tables, JSON; questions; progress."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import msgspec

from hypern.errors import ConfigurationError, HypernError

_PROGRESS_EVERY = 0.1
_GAP = "  "
# With its unit; or nothing.
_NUMBER = re.compile(r"([\d.,]+( ?(%|/s)| (ms|s|m|h|d)( .*)?)?)?")
# What JSON leaves as it is, of which some is unsafe.
_NOT_ASCII = re.compile(r"[^\x00-\x7e]")
# The categories of characters that move the cursor, turn the direction of the text, or are none.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def say(text: str = "") -> None:
    """A line of the answer. Raises BrokenPipeError when nobody reads it any more."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """A line beside the answer: on standard error."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text)


def say_json(data: Any) -> None:
    """One JSON text, in lines that people can read as well; it may be a terminal that shows it."""
    text = msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    say(_NOT_ASCII.sub(_as_json_escapes, text))


def _as_json_escapes(found: re.Match[str]) -> str:
    character = found[0]
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _UNSAFE else character


def finish() -> None:
    """Have all of the answer read. Raises BrokenPipeError when nobody does."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _say_no_more()
        raise


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        if stream is sys.stdout:
            _say_no_more()
        raise


def _say_no_more() -> None:
    """Python writes what is left when it ends, and would complain of that, too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def safe(text: object) -> str:
    """One line without control characters, whoever wrote the text: `\\x1b` stands for one."""
    return "".join(
        _escaped(character) if unicodedata.category(character) in _UNSAFE else character
        for character in str(text)
    )


def safe_lines(text: str) -> list[str]:
    """As `safe`, line by line."""
    return [safe(line.expandtabs()) for line in text.splitlines()]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def counted(number: int, one: str, many: str) -> str:
    """`1 task`, `2,000 tasks`."""
    return f"{number:,} {one if number == 1 else many}"


def width(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def cut(text: str, columns: int) -> str:
    """Its beginning, with a mark where it has been cut."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += width(character)
        if used > columns:
            break
        kept.append(character)
    return f"{''.join(kept)}…"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], columns: int | None = None) -> list[str]:
    """Lines in columns, numbers to the right. `columns`: how wide it may be; then the last column is cut."""
    cells = [[safe(cell if cell is not None else "") for cell in row] for row in rows]
    is_number = [
        bool(cells) and all(_NUMBER.fullmatch(row[at]) is not None for row in cells)
        for at in range(len(headings))
    ]
    widths = [
        max(width(heading), *(width(row[at]) for row in cells)) if cells else width(heading)
        for at, heading in enumerate(headings)
    ]
    lines = []
    for row in [list(headings), *cells]:
        parts = []
        for cell, most, to_the_right in zip(row, widths, is_number, strict=True):
            space = " " * (most - width(cell))
            parts.append(space + cell if to_the_right else cell + space)
        line = _GAP.join(parts).rstrip()
        lines.append(line if columns is None else cut(line, columns))
    return lines


def screen_columns() -> int | None:
    """How wide the terminal is that the answer goes to; None: it goes to none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


class Declined(HypernError):
    """Asked whether to go on, somebody said no."""


def confirm(question: str, is_sure: bool) -> None:
    """Go on only if somebody says yes. `is_sure`: `--yes` was given.

    Raises ConfigurationError where nobody can be asked, Declined.
    """
    if is_sure:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(f"{question} There is nobody to ask here: say --yes. Nothing was done.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined("nothing was done.")


class Progress:
    """How far long work is: a line that changes, where a terminal shows it, else nothing."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._is_shown = sys.stderr.isatty()
        self._next = time.monotonic() + _PROGRESS_EVERY

    def at(self, done: int) -> None:
        """So much is done."""
        now = time.monotonic()
        if not self._is_shown or now < self._next:
            return
        self._next = now + _PROGRESS_EVERY
        of = "" if not self._total else f" of {self._total:,} ({min(100, 100 * done // self._total)} %)"
        sys.stderr.write(f"\r\x1b[K{done:,}{of} …")
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextlib.contextmanager
def progress(total: int | None = None) -> Iterator[Progress]:
    shown = Progress(total)
    try:
        yield shown
    finally:
        shown.end()
