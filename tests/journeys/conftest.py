"""What the journeys share: a project is written into a fresh directory and started there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.journeys.running import APP, Program, write


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Program]:
    """Start a project; use the Program as a context manager, so that it ends with the test."""

    def start(
        files: Mapping[str, str],
        command: list[str] = APP,
        *,
        failures: int = 0,
        status: int = 0,
        **environment: str,
    ) -> Program:
        write(tmp_path, files)
        return Program(tmp_path, command, failures=failures, status=status, environment=environment)

    return start
