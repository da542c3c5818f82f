"""What was found out about a store, and what to do about it."""

from __future__ import annotations

import enum

import msgspec


class Verdict(enum.StrEnum):
    """GOOD; NOTE: worth knowing; CARE: it works, and may not for ever, or costs more than it should; BAD: it
    cannot be relied on."""

    GOOD = "good"
    NOTE = "note"
    CARE = "care"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True):
    """`what` was looked at, what was `found`, and `advice`, empty where there is nothing to do."""

    verdict: Verdict
    what: str
    found: str
    advice: str = ""


def good(what: str, found: str) -> Finding:
    return Finding(Verdict.GOOD, what, found)


def note(what: str, found: str, advice: str = "") -> Finding:
    return Finding(Verdict.NOTE, what, found, advice)


def care(what: str, found: str, advice: str) -> Finding:
    return Finding(Verdict.CARE, what, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    return Finding(Verdict.BAD, what, found, advice)


def in_bytes(number: float) -> str:
    """`12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= 1000
    raise AssertionError
