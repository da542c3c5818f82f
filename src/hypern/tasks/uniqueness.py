"""The key under which a task is the only one of its kind."""

from __future__ import annotations

import hashlib
import json
from inspect import BoundArguments
from typing import TYPE_CHECKING, Any

from hypern.codec.calls import dump_call
from hypern.codec.plain import TAG
from hypern.errors import InvalidOption
from hypern.tasks.ids import is_storable_text

if TYPE_CHECKING:
    from hypern.tasks.declare import Task

# Their equality is Python's own, and no code of the user.
_SIMPLE = frozenset({int, float, str, bytes, bool})

# Stored kinds whose parts come in no certain order.
_UNORDERED = frozenset({"set", "frozenset", "dict"})


def unique_key(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """`task.options.unique` for these arguments: the key itself, what the function of it says, or, for True,
    a digest of the task's name and its arguments as they would be stored. Of a method, the object it
    belongs to is the first argument.

    Raises InvalidOption when the function does not give a str, NotSerializable for arguments without a
    stored form.
    """
    unique = task.options.unique
    if callable(unique):
        key = unique(*task.full_arguments(args), **kwargs)
        if not is_storable_text(key, 256):
            raise InvalidOption(
                f"the function given as unique= of {task.name} must return a str of 1 to 256 characters, "
                f"none of them NUL or half of one, not {key!r:.80}."
            )
    elif isinstance(unique, str):
        key = unique
    else:
        key = _digest(task, args, kwargs)
    return f"{task.name}|{key}"


def _digest(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The same for all ways to write the same call: by position or by name, with a default or without it."""
    bound = task.bound(args, kwargs)
    if bound is None:
        args = task.full_arguments(args)
    else:
        _leave_out_defaults(bound)
        args, kwargs = bound.args, bound.kwargs
    args = tuple(_named(value) if isinstance(value, type) else value for value in args)
    call = _in_order(json.loads(dump_call(args, kwargs)))
    return hashlib.sha256(_text(call).encode()).hexdigest()


def _leave_out_defaults(bound: BoundArguments) -> None:
    parameters = bound.signature.parameters
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters.values()):
        return
    for name, value in list(bound.arguments.items()):
        default = parameters[name].default
        alike = type(value) is type(default) and type(value) in _SIMPLE and value == default
        if value is default or alike:
            del bound.arguments[name]


def _named(cls: type) -> str:
    """A class, such as the one that a class method belongs to."""
    return f"class {cls.__module__}:{cls.__qualname__}"


def _in_order(value: Any) -> Any:
    """What is equal in Python shall be written alike: sets and dicts have no order."""
    if isinstance(value, list):
        return [_in_order(part) for part in value]
    if not isinstance(value, dict):
        return value
    parts = {name: _in_order(part) for name, part in value.items()}
    if parts.get(TAG) in _UNORDERED:
        parts["v"] = sorted(parts["v"], key=_text)
    return parts


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
