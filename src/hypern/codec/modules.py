"""Where a name leads: from `module:qualname` to the object, in this process and in any other."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import ModuleType
from typing import Any

# What multiprocessing's child processes call the program's file.
_MAIN = ("__main__", "__mp_main__")

# Python takes the name of its file from the program's module when main has ended.
_program = sys.modules["__main__"]
_program_file: str | None = getattr(_program, "__file__", None)

_imports: ContextVar[bool] = ContextVar("hypern_codec_imports", default=True)


class Unreachable(Exception):
    """There is no way from a name to an object, or none that other processes could go. Says why."""


@contextlib.contextmanager
def no_imports() -> Iterator[None]:
    """Meanwhile names lead only to what has been imported already: who looks at tasks does not run what they
    name."""
    before = _imports.set(False)
    try:
        yield
    finally:
        _imports.reset(before)


def home(obj: Any) -> tuple[str, str]:
    """The module and the qualified name under which every process finds a function or class.

    Raises Unreachable if there is no such name.
    """
    module, qualname = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise Unreachable("it does not know its module and name; put it into a function of a module")
    if "<lambda>" in qualname:
        raise Unreachable("it is a lambda; write it with def at the top level of a module")
    if "<locals>" in qualname:
        raise Unreachable("it is made inside of a function; move it to the top level of a module")
    return (_main_name(_main()) if module in _MAIN else module), qualname


def walk(module: ModuleType, qualname: str) -> Any:
    """What stands under `qualname` in a module, on a way that leads through classes only.

    Static methods are unwrapped. Raises Unreachable.
    """
    found: Any = module
    for part in qualname.split("."):
        try:
            if isinstance(found, ModuleType):
                if found is not module:
                    raise AttributeError
                found = getattr(found, part)
            elif isinstance(found, type):
                found = inspect.getattr_static(found, part)
            else:
                raise AttributeError
        except (AttributeError, ImportError):  # the latter from modules that load their parts late
            raise Unreachable(f"there is no {qualname!r} in the module {module.__name__!r}") from None
        if isinstance(found, staticmethod):
            found = found.__func__
    return found


def own_module(obj: Any) -> ModuleType:
    """The module in which `obj` was made. Raises Unreachable if it is not among those imported."""
    module = sys.modules.get(obj.__module__)
    if module is None:
        raise Unreachable(f"its module {obj.__module__!r} cannot be imported under that name")
    return module


def parse(path: str) -> tuple[str, str]:
    """The two halves of `module:qualname`. Raises Unreachable unless both are dotted names."""
    module, colon, qualname = path.partition(":")
    parts = module.split(".") + qualname.split(".")
    if not colon or not all(part.isidentifier() for part in parts):
        raise Unreachable("it is not of the form module:qualname")
    return module, qualname


def load(name: str) -> ModuleType:
    """Import a module; where it is the program that runs, that one. Raises Unreachable."""
    if name == _main_name_or_none():
        return _main()
    if not _imports.get() and name not in sys.modules:
        raise Unreachable(f"its module {name!r} has not been imported here")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise Unreachable(f"there is no module {error.name!r}") from None
        raise Unreachable(f"importing {name!r} raised {_short(error)}") from error
    except (Exception, SystemExit) as error:  # a program without `if __name__ == "__main__"` may exit
        raise Unreachable(f"importing {name!r} raised {_short(error)}") from error


def in_standard_library(module: str) -> bool:
    """Whether the module is Python's own."""
    return module.partition(".")[0] in sys.stdlib_module_names


def _main() -> ModuleType:
    """The program. A child of multiprocessing runs its file under the other name first."""
    return sys.modules.get("__mp_main__") or sys.modules["__main__"]


def _main_name_or_none() -> str | None:
    try:
        return _main_name(_main())
    except Unreachable:
        return None


@functools.lru_cache(maxsize=8)
def _main_name(main: ModuleType) -> str:
    """The name by which other processes import the file that runs as the program."""
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return str(spec.name)  # python -m
    file: str | None = getattr(main, "__file__", None)
    if not file and main is _program and not hasattr(sys, "ps1"):
        file = _program_file
    if not file:
        raise Unreachable("it was made in an interactive session; write it into a module")
    stem, extension = os.path.splitext(os.path.basename(file))
    if extension != ".py" or not stem.isidentifier() or stem in _MAIN:
        raise Unreachable(f"its file {os.path.basename(file)!r} cannot be imported; move it to a module")
    if in_standard_library(stem):
        raise Unreachable(f"its file is called like Python's own module {stem!r}; rename the file")
    if not _is_imported_as(file, stem):
        raise Unreachable(f"`import {stem}` does not lead to its file {file!r}; move it to a module")
    return stem


def _is_imported_as(file: str, name: str) -> bool:
    loaded = sys.modules.get(name)
    try:
        spec = None if loaded else importlib.util.find_spec(name)
        found = getattr(loaded, "__file__", None) if loaded else spec and spec.origin
        return bool(found) and os.path.samefile(str(found), file)
    except (OSError, ImportError, ValueError):
        return False


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(no text)"
    return f"{type(error).__name__}: {text[:200]}"
