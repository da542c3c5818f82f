"""The colours of the page: each is told from its ground well enough, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "src" / "hypern" / "dashboard" / "static" / "app.css").read_text()
_LIGHT, _DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\n\s*\}", CSS, re.DOTALL)
)
STATES = ("waiting", "delayed", "running", "completed", "failed", "cancelled", "warning")
ENOUGH = 4.5  # WCAG 2.2, AA, for text


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [_LIGHT, _DARK], ids=["light", "dark"])
def test_text_is_readable(colours: dict[str, str]) -> None:
    """Text, links and states have the contrast that WCAG asks for, on every ground that they are on."""
    pairs = [
        (name, ground)
        for name in ("text", "soft", "muted", "accent")
        for ground in ("bg", "surface", "hover")
    ]
    pairs += [(state, ground) for state in STATES for ground in (f"{state}-soft", "surface")]
    pairs += [("text", f"{state}-soft") for state in STATES]
    pairs += [("text", "accent-soft"), ("on-accent", "accent"), ("surface", "failed")]
    assert {pair: _contrast(*(colours[name] for name in pair)) for pair in pairs
            if _contrast(*(colours[name] for name in pair)) < ENOUGH} == {}  # fmt: skip
