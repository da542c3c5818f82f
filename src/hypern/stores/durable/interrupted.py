"""Whether a thread was interrupted in the midst of certain work: by a signal handler, or by a finaliser."""

from __future__ import annotations

import sys
from collections.abc import Collection
from types import CodeType, FrameType


def is_beneath(owner: object, work: Collection[CodeType]) -> bool:
    """Whether a method of `owner`, one of `work`, is under way further down in this thread."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code in work and frame.f_locals.get("self") is owner:
            return True
        frame = frame.f_back
    return False
