"""Points at which a test can have this process killed: HYPERN_CRASH_POINT=name, or name:3 the third time."""

from __future__ import annotations

import os
import signal
from collections import Counter

_chosen, _, _nth = os.environ.get("HYPERN_CRASH_POINT", "").partition(":")
_passed: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Where the environment says so, die here as by `kill -9`."""
    if name == _chosen:
        _passed[name] += 1
        if _passed[name] == int(_nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
