"""Classes by name: those whose objects can be stored, and how they are found again."""

from __future__ import annotations

import dataclasses
import enum
import functools
import sys
from typing import Any

import msgspec

from hypern.codec.modules import Unreachable, home, in_standard_library, load, own_module, parse, walk

# Python's own modules that do something when they are imported.
_NOT_IMPORTED = frozenset({"antigravity", "idlelib", "lib2to3", "this", "turtledemo"})
_HEAP_TYPE = 1 << 9


class Kind(enum.Enum):
    """The kinds of classes whose objects can be stored."""

    ENUM = "enum"
    NAMED_TUPLE = "named tuple"
    STRUCT = "struct"
    DATACLASS = "dataclass"
    MODEL = "model"


@functools.lru_cache(maxsize=1024)
def kind_of(cls: type) -> Kind | None:
    """Which of the kinds a class is, None if none. Nothing of the class is called."""
    if issubclass(cls, enum.Enum):
        return Kind.ENUM
    if issubclass(cls, msgspec.Struct):
        return Kind.STRUCT
    if issubclass(cls, tuple):
        return Kind.NAMED_TUPLE if _is_named_tuple(cls) else None
    if not all(base.__flags__ & _HEAP_TYPE for base in cls.__mro__[:-1]):
        return None  # a part of it, such as that of a list or an exception, is out of reach
    if dataclasses.is_dataclass(cls):
        return Kind.DATACLASS
    # Whoever has a model has imported pydantic; it is not needed otherwise.
    base = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return Kind.MODEL if base is not None and issubclass(cls, base) else None


@functools.lru_cache(maxsize=1024)
def class_path(cls: type) -> str:
    """`module:qualname` of a class, for `find_class` in any process. Raises Unreachable."""
    module, qualname = home(cls)
    path = f"{module}:{qualname}"
    parse(path)
    if walk(own_module(cls), qualname) is not cls:
        raise Unreachable(f"something else stands under the class's name {path}; rename one of them")
    return path


@functools.lru_cache(maxsize=1024)
def find_class(path: str) -> tuple[type, Kind]:
    """The class that `class_path` named, and its kind. Imports its module if need be.

    Raises Unreachable if there is none, or if it is not of a kind whose objects are stored.
    """
    module, qualname = parse(path)
    parts = module.split(".")
    if parts[0] in _NOT_IMPORTED or (in_standard_library(module) and parts[-1] == "__main__"):
        raise Unreachable("there is no class in that module whose objects are stored")
    found: Any = walk(load(module), qualname)
    kind = kind_of(found) if isinstance(found, type) else None
    if kind is None:
        raise Unreachable("it is not a class whose objects are stored")
    return found, kind


def _is_named_tuple(cls: type) -> bool:
    fields = getattr(cls, "_fields", None)
    return isinstance(fields, tuple) and all(isinstance(name, str) for name in fields)
