"""Programs of other frameworks, started in a directory of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.journeys.running import Program, write

Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Write a program's files, unless they are there, and start it."""

    def start(files: Mapping[str, str], command: list[str], **options: object) -> Program:
        write(tmp_path, files)
        return Program(tmp_path, command, **options)  # type: ignore[arg-type]

    return start
