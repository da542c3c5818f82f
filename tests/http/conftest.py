"""What the tests of the web side share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.http.serving import ServedScript


@pytest.fixture
def serve_script(tmp_path: Path) -> Iterator[Callable[..., ServedScript]]:
    """Start programs that call `app.listen(0)`; what still runs in the end is killed."""
    started: list[ServedScript] = []

    def serve(source: str, **environment: str) -> ServedScript:
        script = ServedScript(tmp_path, source, environment)
        started.append(script)
        return script

    yield serve
    for script in started:
        script.kill()


@pytest.fixture(scope="module")
def serve_script_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ServedScript]]:
    """The same, for a program that a whole module of tests talks to."""
    started: list[ServedScript] = []

    def serve(source: str) -> ServedScript:
        script = ServedScript(tmp_path_factory.mktemp("served"), source, {})
        started.append(script)
        return script

    yield serve
    for script in started:
        script.kill()
