"""The one global: which engine the module-level functions use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from hypern.config import Settings
from hypern.errors import ConfigurationError
from hypern.tasks.engine import Engine

_lock = threading.Lock()
_current: Engine | None = None
# Made for functions that were called before there was an app. It stays: its ids must be found later.
_default: Engine | None = None
_settings: Settings | None = None
_prepare: Callable[[Engine], None] | None = None


def configure(
    *,
    task_store: str | None = None,
    task_workers: int | None = None,
    task_queue_size: int | None = None,
    task_grace_seconds: float | None = None,
    task_async_limit: int | None = None,
    task_result_ttl: float | None = None,
    task_result_limit: int | None = None,
    task_log_level: str | None = None,
) -> None:
    """Settings for tasks in a program that has no `Hypern` app; each means what it means there.

    To be called before the first task is submitted or looked up: ConfigurationError if that has been done
    with other settings, if there is a `Hypern` app, which has settings of its own, or for a value that cannot
    work.
    """
    configure_default(
        Settings.read(
            task_store=task_store,
            task_workers=task_workers,
            task_queue_size=task_queue_size,
            task_grace_seconds=task_grace_seconds,
            task_async_limit=task_async_limit,
            task_result_ttl=task_result_ttl,
            task_result_limit=task_result_limit,
            task_log_level=task_log_level,
        )
    )


def configure_default(settings: Settings, prepare: Callable[[Engine], None] | None = None) -> None:
    """`configure`; `prepare` is called with the engine when it is made."""
    global _settings, _prepare
    with _lock:
        if _current is not None and _current is not _default:
            raise ConfigurationError("there is a Hypern app already: give these settings to Hypern(...).")
        if _default is not None and _default.settings != settings:
            raise ConfigurationError(
                "tasks have been used already with other settings: call configure(...) earlier, where the "
                "program starts."
            )
        _settings, _prepare = settings, prepare


def default_settings() -> Settings:
    """What `configure` has set, else what the environment says."""
    return Settings.read() if _settings is None else _settings


def current_engine() -> Engine:
    """The engine of the app made last; before there is an app, a default one, made now."""
    return _current if _current is not None else _make_default()


def known_engine() -> Engine | None:
    """The same, if there is one already."""
    return _current


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
                _default = Engine(default_settings())
                if _prepare is not None:
                    _prepare(_default)
            _current = _default
        return _current


def _in_forked_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_forked_child)
