"""Whose tasks are watched: those of the app that something was put into, or of the module-level functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypern.http.request import Request
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine


def engine_of(app: Any) -> Engine:
    """The engine of this app; where it has none, as a router has, that of the module-level functions."""
    engine = getattr(app, "engine", None)
    return engine if isinstance(engine, Engine) else current_engine()


def engine_of_request(req: Request) -> Engine:
    return engine_of(req.scope.get("app"))


EngineOf = Callable[[], Engine]
