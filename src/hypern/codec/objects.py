"""Objects of the user's own classes, taken apart into their state and put together again.

Dataclasses and models are put together without `__init__`, so what it would do does not happen twice, and
fields that it does not take come back. A Struct can only be made by calling it; `__post_init__` runs.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Iterator
from types import MemberDescriptorType
from typing import Any

import msgspec

from hypern.codec.classes import Kind
from hypern.codec.leaves import Unwritable

# What typing leaves on an object made by `Box[int](...)`.
_NOT_STATE = "__orig_class__"


def take_apart(value: Any, kind: Kind) -> dict[str, Any]:
    """The state of an object by name. Raises Unwritable if it could not be put together from that."""
    if kind is Kind.NAMED_TUPLE:
        names: tuple[str, ...] = type(value)._fields
        if len(names) != len(value) or getattr(value, "__dict__", None):
            raise Unwritable("it has more in it than its fields; pass a tuple, or a dataclass")
        return dict(zip(names, tuple.__iter__(value), strict=True))
    if kind is Kind.STRUCT:
        return _state_of_struct(value)
    state = _state(value)
    for name in _needed(type(value), kind):
        if name not in state:
            raise Unwritable(f"its field {name!r} has no value of its own; pass plain data")
    return state


def put_together(cls: type, kind: Kind, state: dict[str, Any]) -> Any:
    """The object of that state. Fields that the class has got since then take their defaults.

    Raises TypeError, ValueError or LookupError if the state does not fit the class; and what a Struct raises.
    """
    if kind is Kind.NAMED_TUPLE:
        return _named_tuple(cls, state)
    if kind is Kind.STRUCT:
        return _struct(cls, state)
    for name, make in _defaults(cls, kind):
        if name not in state:
            state[name] = make()
    made: Any = object.__new__(cls)
    slots = _slots(cls)
    for name, value in state.items():
        if name in slots:
            slots[name].__set__(made, value)
        else:
            vars(made)[name] = value
    return made


def write_member(member: enum.Enum) -> str | int:
    """A member by its name; one that flags were joined to by its value. Raises Unwritable."""
    if type(member).__members__.get(member._name_) is member:
        return member._name_
    if isinstance(member, enum.Flag) and type(member._value_) is int:
        return member._value_
    raise Unwritable("it is not a named member of its enum; pass its value")


def read_member(cls: type, member: Any) -> Any:
    """The member that `write_member` wrote. Raises LookupError or ValueError if there is none."""
    assert issubclass(cls, enum.Enum)
    if isinstance(member, str):
        return cls.__members__[member]
    if type(member) is int and issubclass(cls, enum.Flag):
        found = cls(member)
        if type(found) is cls:
            return found
    raise ValueError(f"{cls.__qualname__} has no such member")


def _state(value: Any) -> dict[str, Any]:
    state = {}
    cls: type = type(value)
    for name, slot in _slots(cls).items():
        try:
            state[name] = slot.__get__(value)
        except AttributeError:  # it has no value
            pass
    state.update(getattr(value, "__dict__", {}))
    state.pop(_NOT_STATE, None)
    return state


def _state_of_struct(value: msgspec.Struct) -> dict[str, Any]:
    if getattr(value, "__dict__", None):
        raise Unwritable("it has more in it than its fields; pass plain data")
    try:
        return {name: getattr(value, name) for name in value.__struct_fields__}
    except AttributeError:
        raise Unwritable("one of its fields has no value; pass plain data") from None


@functools.lru_cache(maxsize=1024)
def _slots(cls: type) -> dict[str, MemberDescriptorType]:
    """The slots of a class and its bases, by the names that Python gives them."""
    return {
        name: slot
        for base in reversed(cls.__mro__)
        for name, slot in vars(base).items()
        if isinstance(slot, MemberDescriptorType)
    }


def _defaults(cls: type, kind: Kind) -> Iterator[tuple[str, Callable[[], Any]]]:
    if kind is Kind.DATACLASS:
        for field in dataclasses.fields(cls):
            if field.default is not dataclasses.MISSING:
                yield field.name, functools.partial(_same, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                yield field.name, field.default_factory
            elif field.init:
                yield field.name, functools.partial(_missing, cls, field.name)
    else:
        fields: dict[str, Any] = getattr(cls, "__pydantic_fields__", {})
        for name, info in fields.items():
            if info.is_required():
                yield name, functools.partial(_missing, cls, name)
            else:
                yield name, functools.partial(info.get_default, call_default_factory=True)


def _needed(cls: type, kind: Kind) -> Iterator[str]:
    if kind is Kind.DATACLASS:
        yield from (field.name for field in dataclasses.fields(cls) if field.init)
    else:
        yield from getattr(cls, "__pydantic_fields__", {})


def _same(value: Any) -> Any:
    return value


def _missing(cls: type, name: str) -> Any:
    raise ValueError(f"{cls.__qualname__} has a field {name!r} that was not stored")


def _named_tuple(cls: Any, state: dict[str, Any]) -> Any:
    known = {**cls._field_defaults, **state}
    if not known.keys() <= set(cls._fields):
        raise ValueError(f"{cls.__qualname__} has no longer all of its fields")
    return tuple.__new__(cls, [known[name] for name in cls._fields])


def _struct(cls: type, state: dict[str, Any]) -> Any:
    made = cls(**state)
    for name, value in state.items():
        msgspec.structs.force_setattr(made, name, value)  # __post_init__ may have changed it again
    return made
