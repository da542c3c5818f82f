"""What needs a library that is not installed says which extra to install; the rest works without."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in ("prometheus_client", "opentelemetry", "sentry_sdk"):
    sys.modules[name] = None
from hypern import Hypern
from hypern.telemetry import Health, JsonFormatter, LogFields, TaskLogFilter
app = Hypern()
app.use(Health())
app.use(LogFields())
try:
    from hypern.telemetry import {}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "extra"), [("Metrics", "metrics"), ("Tracing", "otel"), ("Sentry", "sentry")]
)
def test_without_the_library(name: str, extra: str) -> None:
    """The import fails with what to do, and nothing that does without it is harmed."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT.format(name)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(f"Install it: pip install 'hypern[{extra}]'.\n")


def test_a_name_that_is_none() -> None:
    """As with any module."""
    with pytest.raises(ImportError, match="Nothing"):
        from hypern.telemetry import Nothing  # type: ignore[attr-defined] # noqa: F401


def test_testing_without_its_library() -> None:
    """`hypern.testing` says which extra to install, where Starlette would name a library."""
    program = (
        "import sys; sys.modules['httpx2'] = None; sys.modules['httpx'] = None\n"
        "try:\n    import hypern.testing\nexcept ImportError as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert ran.stdout.endswith("Install it: pip install 'hypern[testing]'.\n"), ran.stderr
