"""Telemetry: what watches the tasks from outside. Metrics, traces, errors, log fields, health.

Some of it needs a library that is an extra of the package; each name is therefore brought in when it is asked
for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypern.telemetry.health import Health
    from hypern.telemetry.logs import JsonFormatter, LogFields, TaskLogFilter, known_fields
    from hypern.telemetry.metrics import Metrics, TaskCollector
    from hypern.telemetry.sentry import Sentry
    from hypern.telemetry.tracing import Tracing

__all__ = [
    "Health",
    "JsonFormatter",
    "LogFields",
    "Metrics",
    "Sentry",
    "TaskCollector",
    "TaskLogFilter",
    "Tracing",
    "known_fields",
]

# Of each name the module, and the extra that it needs.
_WHERE: dict[str, tuple[str, str | None]] = {
    "Health": ("health", None),
    "JsonFormatter": ("logs", None),
    "LogFields": ("logs", None),
    "Metrics": ("metrics", "metrics"),
    "TaskCollector": ("metrics", "metrics"),
    "Sentry": ("sentry", "sentry"),
    "TaskLogFilter": ("logs", None),
    "Tracing": ("tracing", "otel"),
    "known_fields": ("logs", None),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _WHERE[name]
    try:
        found = importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        raise ImportError(
            f"{name} needs a library that is missing ({error}). Install it: pip install 'hypern[{extra}]'.",
            name=name,
        ) from error
    return getattr(found, name)
