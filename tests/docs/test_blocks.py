"""Every code block of the documentation does what the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.pages import EXAMPLES, PAGES, ROOT, blocks, write_files
from tests.docs.serving import Curl, served

# From 3.12 on Python warns of every fork in a process that has threads; one page shows that ours is safe.
_WARNINGS = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=_name)
def test_python_blocks_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The Python blocks of a page, run in order, end well and print what they say they print."""
    environment = dict(os.environ)
    if page.name in ("postgres.md", "scaling.md"):
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    ran = subprocess.run(
        [sys.executable, *_WARNINGS, "-m", "tests.docs.run_page", str(page), str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


def test_readme_curl_lines(tmp_path: Path) -> None:
    """The program that the README builds gives the answers that the README shows."""
    readme = ROOT / "README.md"
    write_files(readme, tmp_path)
    program = tmp_path / "app.py"
    fixed = program.read_text()
    assert "listen(3000)" in fixed
    program.write_text(fixed.replace("listen(3000)", "listen(0)"))
    _check_console_blocks(readme, tmp_path)


@pytest.mark.parametrize("page", EXAMPLES, ids=_name)
def test_example_curl_lines(page: Path) -> None:
    """An example, started as its README says, gives the answers that are shown there."""
    _check_console_blocks(page, page.parent)


def _check_console_blocks(page: Path, directory: Path) -> None:
    transcripts = [block.text for block in blocks(page, "console") if block.text.startswith("$ curl ")]
    assert transcripts, f"{page.name} shows no curl line"
    with served(directory) as port:
        curl = Curl(port)
        for transcript in transcripts:
            curl.check(transcript)
