"""What a thread was interrupted at, by a signal handler or a finaliser, and what must be done all the same.

A signal handler raises in the main thread (Ctrl-C) between any two steps. To Python 3.12 and 3.13 the jump
back of a `while`, and of a loop that ends with an `if`, lies outside of a `try` or `with` around the loop:
what is raised there passes `except`, `finally` and `__exit__` by (python/cpython#130279). Where that would do
harm, such a loop has a function of its own, called within the `try`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import CodeType, FrameType

_INSIST = 20


def is_beneath(owner: object, work: Collection[CodeType]) -> bool:
    """Whether a method of `owner`, one of `work`, is under way further down in this thread."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code in work and frame.f_locals.get("self") is owner:
            return True
        frame = frame.f_back
    return False


def insist(*steps: Callable[[], None]) -> None:
    """Do each of these, though a signal handler may raise meanwhile; what it raised is raised then."""
    raised: BaseException | None = None
    through = 0
    for _ in range(_INSIST):
        try:
            for step in steps[through:]:
                step()
                through += 1
            break
        except BaseException as error:
            raised = error
    if raised is not None:
        raise raised
