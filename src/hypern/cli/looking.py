"""Which store a command is about, and an engine that looks at it and runs nothing."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypern.app import Hypern
from hypern.cli.arguments import APP, STORE, names
from hypern.cli.locate import locate_tasks
from hypern.codec.modules import no_imports
from hypern.config import STORE_VARIABLE, Settings
from hypern.errors import ConfigurationError
from hypern.records import TaskStatus
from hypern.stores.opening import open_carrier
from hypern.tasks.engine import Engine
from hypern.tasks.filters import TaskFilter
from hypern.tasks.runtime import current_engine

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST_AGO = 100 * 365 * 86_400


def add_store(command: argparse.ArgumentParser) -> None:
    """Where the tasks are: `--store`, `--app`, or the environment."""
    where = command.add_mutually_exclusive_group()
    # Not set where they are not given, so that what stands before a verb is not forgotten after it.
    where.add_argument(
        "--store", metavar="URL", default=argparse.SUPPRESS, help=f"{STORE} (else ${STORE_VARIABLE})"
    )
    where.add_argument("--app", metavar="APP", default=argparse.SUPPRESS, help=f"that of an app: {APP}")


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="for programs")


def wants_json(given: argparse.Namespace) -> bool:
    return bool(getattr(given, "json", False))


def add_filters(command: argparse.ArgumentParser) -> None:
    """Which tasks are meant."""
    states = ",".join(TaskStatus)
    command.add_argument("--status", type=names, metavar="A,B", help=f"in one of these states: {states}")
    command.add_argument("--queue", metavar="NAME", help="of this queue")
    command.add_argument("--name", metavar="NAME", help="of this function, as it is listed")
    command.add_argument("--search", metavar="TEXT", help="with this in the id, the name or the error")
    command.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="submitted from then on: 2026-11-24T08:00, or 90m, 2h, 7d ago",
    )
    command.add_argument("--until", type=moment, metavar="TIME", help="submitted before then")


def filter_of(given: argparse.Namespace) -> TaskFilter:
    """What `add_filters` has read. Empty: any task."""
    which = TaskFilter()
    if given.status is not None:
        which["status"] = given.status
    if given.queue is not None:
        which["queue"] = given.queue
    if given.name is not None:
        which["name"] = given.name
    if given.search is not None:
        which["search"] = given.search
    if given.since is not None:
        which["since"] = given.since
    if given.until is not None:
        which["until"] = given.until
    return which


def moment(text: str) -> datetime:
    """A time, or how long ago. Without a zone it is that of this machine. Raises ArgumentTypeError."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        seconds = min(float(ago[1]) * _UNITS[ago[2]], _LONGEST_AGO)
        return datetime.now(UTC) - timedelta(seconds=seconds)
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time such as 2026-11-24T08:00 nor a number of s, m, h, d or w ago"
        ) from None


@contextlib.contextmanager
def looking(given: argparse.Namespace) -> Iterator[Engine]:
    """An engine on the store that is meant, which runs no task. Unless an app is named nothing is
    imported for what tasks name, and no store is made where there is none.

    Raises ConfigurationError, StoreUnusable.
    """
    engine = find_engine(given)
    try:
        if hasattr(given, "app"):
            yield engine
        else:
            with no_imports():
                yield engine
    finally:
        engine.store.close()


def find_engine(given: argparse.Namespace) -> Engine:
    """The engine alone."""
    app = getattr(given, "app", None)
    if app is not None:
        return _of_app(app)
    url = store_url(given)
    open_carrier(url, must_exist=True).close()
    return Engine(Settings(task_store=url, task_workers=0))


def find_settings(given: argparse.Namespace) -> Settings:
    """The settings of the app that is named, or those for the store; it may be `memory://`."""
    app = getattr(given, "app", None)
    if app is None:
        return Settings(task_store=getattr(given, "store", None) or Settings.read().task_store)
    engine = _engine_of(app)
    engine.store.close()
    return engine.settings


def store_url(given: argparse.Namespace) -> str:
    """The URL of a durable store. Raises ConfigurationError."""
    url: str | None = getattr(given, "store", None)
    if url is None:
        url = Settings.read().task_store
        if url == "memory://":
            raise ConfigurationError(
                "say where the tasks are: --store sqlite:///tasks.db, --app app:app, or the environment "
                f"variable {STORE_VARIABLE}."
            )
    _refuse_memory(url)
    return url


def _of_app(text: str) -> Engine:
    engine = _engine_of(text)
    _refuse_memory(engine.settings.task_store)
    engine.stop(0.0)
    engine.settings = replace(engine.settings, task_workers=0)
    return engine


def _engine_of(text: str) -> Engine:
    found = locate_tasks(text)
    if found is not None and not isinstance(found, Hypern):
        raise ConfigurationError(f"{text} is a {type(found).__name__} and has no tasks.")
    return current_engine() if found is None else found.engine


def _refuse_memory(url: str) -> None:
    if url.startswith("memory:"):
        raise ConfigurationError(
            "the tasks of 'memory://' are in the memory of one process, and nobody else can see them. Use a "
            "durable store, such as 'sqlite:///tasks.db', or the dashboard in that process."
        )
