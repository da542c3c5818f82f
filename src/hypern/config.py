"""Settings of the task engine: read once, checked once, frozen."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from hypern.errors import ConfigurationError

STORE_VARIABLE = "HYPERN_TASK_STORE"


@dataclass(frozen=True, slots=True)
class Settings:
    """`task_workers`: threads for plain functions. `task_async_limit`: coroutine tasks that run at once.
    `task_queue_size`: the most tasks that may be waiting. `task_store`: URL of the store.
    `task_grace_seconds`: how long stopping waits for running and due tasks. `task_result_ttl` (seconds)
    and `task_result_limit` (a number): how long and how many ended tasks can be looked up.

    Raises ConfigurationError for a value that cannot work.
    """

    task_workers: int = 4
    task_queue_size: int = 1000
    task_store: str = "memory://"
    task_grace_seconds: float = 25.0
    task_async_limit: int = 10_000
    task_result_ttl: float = 3600.0
    task_result_limit: int = 10_000

    def __post_init__(self) -> None:
        _check_store(self.task_store)
        _check_number("task_workers", self.task_workers, least=0, whole=True)
        if self.task_workers == 0:
            raise ConfigurationError(
                "task_workers=0 means that other processes run the tasks, but with task_store='memory://' "
                "no other process can see them. Give this process at least one worker."
            )
        _check_number("task_queue_size", self.task_queue_size, least=1, whole=True)
        _check_number("task_grace_seconds", self.task_grace_seconds, least=0)
        _check_number("task_async_limit", self.task_async_limit, least=1, whole=True)
        _check_number("task_result_ttl", self.task_result_ttl, least=0)
        _check_number("task_result_limit", self.task_result_limit, least=0, whole=True)

    @classmethod
    def read(cls, **given: Any) -> Settings:
        """The settings given (None: not given); the store else from `HYPERN_TASK_STORE`."""
        chosen = {name: value for name, value in given.items() if value is not None}
        if "task_store" not in chosen and os.environ.get(STORE_VARIABLE):
            chosen["task_store"] = os.environ[STORE_VARIABLE]
        return replace(cls(), **chosen)


def _check_store(url: object) -> None:
    if not isinstance(url, str) or "://" not in url:
        raise ConfigurationError(f"task_store must be a URL such as 'memory://', not {url!r}.")
    scheme = urlsplit(url).scheme
    if scheme != "memory":
        raise ConfigurationError(
            f"task_store has the unknown scheme {scheme!r}. This version of Hypern has one store: 'memory://'."
        )
    if url != "memory://":
        raise ConfigurationError("the memory store has no address and no options: write 'memory://'.")


def _check_number(name: str, value: object, *, least: float, whole: bool = False) -> None:
    kind = "a whole number" if whole else "a finite number"
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or value < least:  # type: ignore[arg-type, operator]
        raise ConfigurationError(f"{name} must be {kind}, {least} or more, not {value!r}.")
