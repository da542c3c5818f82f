"""What the tests of telemetry share: apps that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hypern import Hypern

MakeApp = Callable[..., Hypern]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db?synchronous=normal"


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Make apps; their engines are ended with the test."""
    made: list[Hypern] = []

    def make(**settings: Any) -> Hypern:
        made.append(Hypern(**settings))
        return made[-1]

    yield make
    for app in made:
        app.engine.discard()
