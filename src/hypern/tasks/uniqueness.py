"""The key under which a task is the only one of its kind."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hypern.codec.calls import dump_call
from hypern.errors import InvalidOption

if TYPE_CHECKING:
    from hypern.tasks.declare import Task


def unique_key(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """`task.options.unique` for these arguments: the key itself, what the function of it says, or, for True,
    a digest of the task's name and its arguments as they would be stored.

    Raises InvalidOption when the function does not give a str, NotSerializable for arguments without a
    stored form.
    """
    unique = task.options.unique
    if callable(unique):
        key = unique(*args, **kwargs)
        if not isinstance(key, str) or not 0 < len(key) <= 256:
            raise InvalidOption(
                f"the function given as unique= of {task.name} must return a str of 1 to 256 characters, "
                f"not {key!r:.80}."
            )
    elif isinstance(unique, str):
        key = unique
    else:
        key = hashlib.sha256(dump_call(args, dict(sorted(kwargs.items())))).hexdigest()
    return f"{task.name}|{key}"
