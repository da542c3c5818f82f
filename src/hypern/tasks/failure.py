"""From an exception to the bounded, JSON-safe text that is kept of it."""

from __future__ import annotations

import traceback
from pathlib import Path

from hypern.records import Failed
from hypern.tasks.ids import storable_text

ERROR_LIMIT = 4_000
TRACEBACK_LIMIT = 60_000
_FRAMES = 60
# The frames of the engine that called the function say nothing about the failure.
_RUN = str(Path(__file__).with_name("run.py"))


def failure(exception: BaseException) -> Failed:
    """`error` such as `"ValueError: bad row"` and the traceback. Never raises, whatever `exception` does."""
    error = _describe(exception)
    kinds = tuple(exception_name(kind) for kind in type(exception).__mro__[:-1])
    try:
        text = _traceback(exception)
    except BaseException as broken:
        text = f"(the traceback could not be written: {type(broken).__name__})\n{error}"
    return Failed(error, _clip(text, TRACEBACK_LIMIT), kinds)


def exception_name(kind: type[BaseException]) -> str:
    """How an exception class is written down: text, from which no class is ever made again."""
    return f"{_plain(kind, '__module__')}:{_plain(kind, '__qualname__')}"


def _describe(exception: BaseException) -> str:
    name = _plain(type(exception), "__name__")
    try:
        # The message may be of a subclass of str with methods that raise, too.
        message = str(exception)
        return _clip(f"{name}: {message}" if message else name, ERROR_LIMIT)
    except BaseException as broken:
        return f"{name}: (its message could not be read: {_plain(type(broken), '__name__')})"


def _plain(kind: type, attribute: str) -> str:
    """What Python itself says of a class, whatever its metaclass makes of that."""
    return str(vars(type)[attribute].__get__(kind))


def _traceback(exception: BaseException) -> str:
    # The exceptions that led to this one, oldest first, as Python prints them; the chain may be a ring.
    links: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    link: BaseException | None = exception
    joint = ""
    while link is not None and id(link) not in seen and len(links) < 20:
        seen.add(id(link))
        links.append((link, joint))
        if link.__cause__ is not None:
            joint = "\nThe above exception was the direct cause of the following exception:\n\n"
            link = link.__cause__
        else:
            joint = "\nDuring handling of the above exception, another exception occurred:\n\n"
            link = None if link.__suppress_context__ else link.__context__
    return "".join(_block(link) + joint for link, joint in reversed(links))


def _block(exception: BaseException) -> str:
    lines = ["Traceback (most recent call last):\n"] if exception.__traceback__ else []
    frames = traceback.extract_tb(exception.__traceback__, limit=-_FRAMES)
    while len(frames) > 1 and frames[0].filename == _RUN:
        del frames[0]
    lines.extend(traceback.format_list(frames))
    lines.append(_describe(exception) + "\n")
    if isinstance(exception, BaseExceptionGroup):
        lines.extend(
            f"  {number}: {_describe(part)}\n" for number, part in enumerate(exception.exceptions[:20], 1)
        )
    return "".join(lines)


def _clip(text: str, limit: int) -> str:
    if len(text) > limit:
        text = f"{text[: limit // 2]} … ({len(text) - limit} characters left out) … {text[-limit // 2 :]}"
    return storable_text(text)
