"""What is printed: text that orders no terminal about, tables, spans."""

from __future__ import annotations

import io
import json
import sys

import pytest

from hypern.cli import described, output
from hypern.cli.described import finding_line, span
from hypern.cli.output import counted, cut, safe, safe_lines, table, width
from hypern.stores.findings import bad


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ünïcode 日本", "plain — ünïcode 日本"),
        ("\x1b[2J\r\x07", "\\x1b[2J\\r\\x07"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x9b\N{RIGHT-TO-LEFT OVERRIDE}\N{ZERO WIDTH SPACE}", "\\x9b\\u202e\\u200b"),
        ("\ud800", "\\ud800"),
        ("\N{LINE SEPARATOR}", "\\u2028"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    """Characters that do something are written out; all others stay."""
    assert safe(text) == shown


def test_every_character_is_safe() -> None:
    """Nothing that a terminal would obey is left, of all characters there are."""
    shown = safe("".join(map(chr, range(sys.maxunicode + 1))))
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert not set(shown) & {chr(code) for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def test_json_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """Of JSON, too, nothing is left that a terminal would obey; read again it is what it was."""
    text = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    output.say_json({"a": text, "日本": "ünïcode"})
    said = capsys.readouterr().out
    assert json.loads(said) == {"a": text, "日本": "ünïcode"}
    assert '  "日本": "ünïcode"' in said.splitlines()
    assert all(character.isprintable() or character in "\n" or character.isspace() for character in said)
    assert not set(said) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160), 0x2028)}


def test_a_finding_is_safe() -> None:
    """What was found in a store may be anything."""
    assert finding_line(bad("a\x1b", "b\x9b", "c\u202e")) == "bad  a\\x1b: b\\x9b — c\\u202e"


def test_safe_lines() -> None:
    """Lines stay lines, and tabs become spaces."""
    assert safe_lines("a\n\tb\x1b\r\nc") == ["a", "        b\\x1b", "c"]


def test_table() -> None:
    """As wide as need be, numbers to the right, and cut where there is no more room."""
    rows = [("日本", 5, "x" * 30), ("b", 1000, None)]
    assert table(("NAME", "N", "TEXT"), rows) == [
        "NAME     N  TEXT",
        "日本     5  " + "x" * 30,
        "b     1000",
    ]
    assert {width(line) <= 20 for line in table(("NAME", "N", "TEXT"), rows, 20)} == {True}
    assert table(("A", "B"), []) == ["A  B"]


def test_cut() -> None:
    """At most so many columns, with a mark."""
    assert [cut("abcdef", 6), cut("abcdef", 4), cut("日本語", 4)] == ["abcdef", "abc…", "日…"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.0321, "32.1 ms"),
        (0.9999, "1.0 s"),
        (59.96, "60.0 s"),
        (99.96, "1 m 40 s"),
        (300, "5 m"),
        (7500, "2 h 5 m"),
        (273_600, "3 d 4 h"),
    ],
)
def test_span(seconds: float, text: str) -> None:
    """In two units at most."""
    assert span(seconds) == text


def test_counted() -> None:
    """One, or many."""
    assert [counted(n, "task", "tasks") for n in (0, 1, 2000)] == ["0 tasks", "1 task", "2,000 tasks"]


class Screen(io.StringIO):
    """A terminal, or not."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, ["500 of 2,000 (25 %) …", ""]), (False, [])])
def test_progress(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, expected: list[str]) -> None:
    """A terminal shows one line, which is gone at the end; anything else shows nothing."""
    screen = Screen(is_terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(output, "_PROGRESS_EVERY", 0.0)
    with output.progress(2000) as shown:
        shown.at(500)
    assert screen.getvalue().split("\r\x1b[K")[1:] == expected


def test_times_beyond_all_calendars() -> None:
    """A task that is delayed beyond the year 9999 can be shown, in words and as data."""
    assert described.local(1e300) == "after the year 9999"
    assert str(described._iso(1e300)).startswith("9999-12-31")
