"""Settings of the task engine: read once, checked once, frozen."""

from __future__ import annotations

import math
import os
import re
import sys
from dataclasses import dataclass
from typing import Any

from hypern.errors import ConfigurationError

STORE_VARIABLE = "HYPERN_TASK_STORE"
_AUTHORITY = re.compile(r"[^/?#]+")
_SECRETS = re.compile(r"((?:^|&)(?:password|sslpassword)=)[^&]*")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """`task_workers`: threads for plain functions; 0: this process runs no tasks. `task_async_limit`:
    coroutine tasks that run at once. `task_queue_size`: the most tasks that may be waiting (1000 in memory,
    else any number). `task_store`: URL of the store. `task_queues`: run the tasks of these queues only.
    `task_grace_seconds`: how long stopping waits for running and due tasks. `task_result_ttl` (seconds) and
    `task_result_limit` (a number): how long and how many ended tasks can be looked up (1 hour and 10,000 in
    memory, else 7 days and any number). `task_log_level`: keep with a task the lines of this level and above
    that it writes to the log; None: none.

    Raises ConfigurationError for a value that cannot work.
    """

    task_workers: int = 4
    task_queue_size: int | None = None
    task_store: str = "memory://"
    task_queues: tuple[str, ...] | None = None
    task_grace_seconds: float = 25.0
    task_async_limit: int = 10_000
    task_result_ttl: float | None = None
    task_result_limit: int | None = None
    task_log_level: str | None = None

    def __post_init__(self) -> None:
        scheme = _check_store(self.task_store)
        for name, value in _DEFAULTS[scheme].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        _check_number("task_workers", self.task_workers, least=0, whole=True)
        if self.task_workers == 0 and scheme == "memory":
            raise ConfigurationError(
                "task_workers=0 means that other processes run the tasks, but with task_store='memory://' "
                "no other process can see them. Give this process at least one worker."
            )
        if self.task_queue_size is not None:
            _check_number("task_queue_size", self.task_queue_size, least=1, whole=True)
        _check_queues(self.task_queues)
        _check_number("task_grace_seconds", self.task_grace_seconds, least=0)
        _check_number("task_async_limit", self.task_async_limit, least=1, whole=True)
        _check_number("task_result_ttl", self.task_result_ttl, least=0)
        if self.task_result_limit is not None:
            _check_number("task_result_limit", self.task_result_limit, least=0, whole=True)
        if self.task_log_level is not None and self.task_log_level not in _LEVELS:
            raise ConfigurationError(
                f"task_log_level must be one of {', '.join(_LEVELS)}, or None, not {self.task_log_level!r}."
            )

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__slots__}
        shown["task_store"] = without_password(self.task_store)
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @classmethod
    def read(cls, **given: Any) -> Settings:
        """The settings given (None: not given); the store else from `HYPERN_TASK_STORE`."""
        chosen = {name: value for name, value in given.items() if value is not None}
        # Files that set it may leave a line break at its end.
        named = os.environ.get(STORE_VARIABLE, "").strip()
        if "task_store" not in chosen and named:
            chosen["task_store"] = named
        return cls(**chosen)


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# What depends on where the tasks are kept.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "memory": {"task_queue_size": 1000, "task_result_ttl": 3600.0, "task_result_limit": 10_000},
    "sqlite": {"task_result_ttl": 7 * 86_400.0},
    "postgresql": {"task_result_ttl": 7 * 86_400.0},
    "postgres": {"task_result_ttl": 7 * 86_400.0},
}


def _check_store(url: object) -> str:
    """The scheme of the URL."""
    if not isinstance(url, str) or "://" not in url:
        raise ConfigurationError(
            f"task_store must be a URL such as 'memory://' or 'sqlite:///tasks.db', not {url!r}."
        )
    # Exactly as it is written: others go by how the URL begins, too.
    scheme = url.partition("://")[0]
    if scheme not in _DEFAULTS:
        raise ConfigurationError(
            f"task_store has the unknown scheme {scheme!r}. There are three stores: 'memory://', a "
            "SQLite file such as 'sqlite:///tasks.db', and a PostgreSQL server: 'postgresql://user@host/database'."
        )
    if scheme == "memory" and url != "memory://":
        raise ConfigurationError("the memory store has no address and no options: write 'memory://'.")
    return scheme


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    scheme, mark, rest = url.partition("://")
    end = credentials_end(rest)
    name, colon, _ = rest[:end].partition(":")
    place, question, query = rest[end:].partition("?")
    query = _SECRETS.sub(r"\1***", query)
    return f"{scheme}{mark}{name}{colon and ':***'}{place}{question}{query}"


def credentials_end(rest: str) -> int:
    """Where in a URL (what follows its `://`) the '@' after user and password is; 0: it has neither.

    In doubt the later one: a password in which '/', '?', '#' or '@' are not written as %2F and so on is not
    to be shown either.
    """
    authority = _AUTHORITY.match(rest)
    if authority is None:
        return 0
    place, _, query = rest.partition("?")
    _, has_port, port = authority[0].rpartition("@")[2].rpartition("]")[2].rpartition(":")
    is_cut = bool(has_port and port and not port.isdecimal())
    if is_cut or any("@" in part.partition("=")[0] for part in query.split("&")):
        return max(rest.rfind("@"), 0)
    return max(place.rfind("@"), 0)


def _check_queues(queues: object) -> None:
    if queues is None:
        return
    if not isinstance(queues, tuple) or not queues or not all(isinstance(name, str) for name in queues):
        raise ConfigurationError(f"task_queues must be a tuple of names of queues, not {queues!r}.")


def _check_number(name: str, value: object, *, least: float, whole: bool = False) -> None:
    kind = "a whole number" if whole else "a finite number"
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    # An int may be larger than any float.
    most = math.inf if whole else sys.float_info.max
    if not fits or not least <= value <= most:  # type: ignore[operator]
        raise ConfigurationError(f"{name} must be {kind}, {least} or more, not {value!r:.80}.")
