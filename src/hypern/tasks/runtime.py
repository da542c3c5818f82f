"""The one global: which engine the module-level functions use."""

from __future__ import annotations

import os
import threading

from hypern.config import Settings
from hypern.tasks.engine import Engine

_lock = threading.Lock()
_current: Engine | None = None
# Made for functions that were called before there was an app. It stays: its ids must be found later.
_default: Engine | None = None


def current_engine() -> Engine:
    """The engine of the app made last; before there is an app, a default one, made now."""
    return _current if _current is not None else _make_default()


def use_engine(engine: Engine | None) -> Engine | None:
    """Make `engine` the one that the module-level functions use. The one they used before."""
    global _current
    with _lock:
        _current, before = engine, _current
        return before


def engines_to_ask() -> list[Engine]:
    """Where the id of a task may be known, most likely first."""
    engine = current_engine()
    return [engine] if _default is None or _default is engine else [engine, _default]


def _make_default() -> Engine:
    global _current, _default
    with _lock:
        if _current is None:
            if _default is None:
                _default = Engine(Settings.read())
            _current = _default
        return _current


def _in_forked_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_forked_child)
