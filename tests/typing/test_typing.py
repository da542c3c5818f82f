"""The types of the public face, as the type checker of a user sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_tasks_are_typed(tmp_path: Path) -> None:
    """mypy --strict accepts the right calls and refuses the wrong ones in `tasks.py`."""
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}",
         "--follow-imports=silent", str(HERE / "tasks.py")],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
