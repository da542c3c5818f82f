"""Task ids: 32 hex digits that sort by time of submission and cannot be guessed."""

from __future__ import annotations

import os
import re
from collections import deque
from typing import TypeGuard

# 13 digits of microseconds since the epoch (enough until the year 2112), then 19 digits (76 bits) from
# the operating system's random generator. Together 128 bits, the size of a UUID.
_RANDOM_DIGITS = 19
_BATCH = 512
# Those of the tasks of ticks have an @ besides, which no caller may choose, and may be longer.
_POSSIBLE = re.compile(r"[A-Za-z0-9_.:@-]{1,256}\Z")
_VALID = re.compile(r"[A-Za-z0-9_.:-]{1,128}\Z")

_random: deque[str] = deque()
_last = 0


def new_id(wall: float) -> str:
    """A new id for a task submitted at `wall` (seconds since the epoch), greater than every id that this
    thread was given before, also after the clock was set back."""
    global _last
    moment = int(wall * 1e6)
    if moment <= _last:
        moment = _last + 1
    _last = moment
    try:
        return "%013x%s" % (moment, _random.pop())  # noqa: UP031 - half the time of an f-string here
    except IndexError:
        _random.extend(_draw())
        return new_id(wall)


def is_valid_id(task_id: object) -> bool:
    """Whether a caller may choose this id: 1–128 letters, digits and `_ . : -`."""
    return isinstance(task_id, str) and _VALID.match(task_id) is not None


def is_possible_id(task_id: object) -> TypeGuard[str]:
    """Whether there may be a task with this id: no store need be asked for anything else, which may be no
    text that it can be asked for."""
    return isinstance(task_id, str) and _POSSIBLE.match(task_id) is not None


def is_storable_text(value: object, longest: int) -> bool:
    """Whether it is a str of 1 to `longest` characters that every store can keep: without NUL, which
    PostgreSQL has not, and without half characters (surrogates)."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable_text(text: str) -> str:
    """The text as UTF-8 can have it: half characters (surrogates) are written out."""
    return str.encode(text, "utf-8", "backslashreplace").decode("utf-8")


def _draw() -> list[str]:
    # Drawing a batch saves a system call per id.
    digits = os.urandom(_BATCH * 10).hex()
    return [digits[start : start + _RANDOM_DIGITS] for start in range(0, len(digits), 20)]


# A forked child would hand out the same random digits as its parent.
os.register_at_fork(after_in_child=_random.clear)
