"""`hypern doctor`: versions, settings, the store's health, and what is promised with all that."""

from __future__ import annotations

import argparse
import dataclasses
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from hypern.cli.arguments import Commands
from hypern.cli.described import finding_line
from hypern.cli.looking import add_json, add_store, find_settings, wants_json
from hypern.cli.output import counted, say, say_json
from hypern.codec.modules import no_imports
from hypern.config import Settings, without_password
from hypern.errors import HypernError
from hypern.stores.findings import Finding, Verdict, bad, care, good, note
from hypern.stores.opening import check_store
from hypern.tasks.engine import Engine

_UNWELL = 1
_LIBRARIES = ("granian", "uvloop", "msgspec", "psycopg")

# What holds in each kind of store; docs/promises.md says how it is meant, and how it is tested.
_PROMISES = {
    "memory": (
        "tasks are in the memory of one process, and end with it; name a durable store to keep them",
        "only one outcome is ever recorded",
    ),
    "sqlite": (
        "an id that was returned is on the disk: its task outlives kill -9 of any process, and a power cut "
        "unless synchronous is normal",
        "a task of a process that dies waits again within 2 s",
        "at least once, and only one outcome is ever recorded",
    ),
    "postgresql": (
        "an id that was returned is committed: its task outlives kill -9 of any process, and of the server",
        "a task of a process that dies waits again within 5 s, of one that hangs or is cut off within 30 s",
        "at least once, and only one outcome is ever recorded",
    ),
}


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "doctor",
        help="see whether all is well: versions, settings, the store",
        description="See whether all is well: 1 if something is not. Nothing is changed.",
        allow_abbrev=False,
    )
    add_store(command)
    add_json(command)
    command.set_defaults(do=doctor)


def doctor(given: argparse.Namespace) -> int:
    """One line a finding, as soon as it is found."""
    found: list[Finding] = []
    for finding in _findings(given):
        found.append(finding)
        if not wants_json(given):
            say(finding_line(finding))
    if wants_json(given):
        say_json({"findings": found})
    return _UNWELL if any(finding.verdict is Verdict.BAD for finding in found) else 0


def _findings(given: argparse.Namespace) -> Iterator[Finding]:
    yield good("Hypern", version("hypern"))
    yield good("Python", f"{platform.python_version()} on {platform.platform()}")
    yield good("libraries", ", ".join(_libraries()))
    settings = find_settings(given)
    yield from _settings(settings, is_app=hasattr(given, "app"))
    if settings.task_store == "memory://":
        yield from _promises("memory")
        return
    is_sound = True
    for finding in check_store(settings.task_store):
        is_sound = is_sound and finding.verdict is not Verdict.BAD
        yield finding
    if is_sound:
        yield from _life(settings)
        yield from _promises("sqlite" if settings.task_store.startswith("sqlite:") else "postgresql")


def _libraries() -> Iterator[str]:
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _settings(settings: Settings, is_app: bool) -> Iterator[Finding]:
    yield good("task_store", without_password(settings.task_store))
    if not is_app:
        return
    for field in dataclasses.fields(settings):
        # How many workers there are, this process would have to be told.
        if field.name not in ("task_store", "task_workers"):
            yield good(field.name, repr(getattr(settings, field.name)))


def _life(settings: Settings) -> Iterator[Finding]:
    """Who works on the tasks, and who cannot."""
    engine = Engine(dataclasses.replace(settings, task_workers=0))
    try:
        with no_imports():
            yield from _workers(engine)
    except HypernError as error:
        yield bad("workers", str(error), "see to the store first")
    finally:
        engine.store.close()


def _workers(engine: Engine) -> Iterator[Finding]:
    living = engine.store.workers() or []
    queues = engine.store.queues()
    waiting = sum(queue.waiting for queue in queues)
    threads = sum(worker.workers for worker in living)
    found = ", ".join(
        (
            counted(len(living), "process", "processes"),
            counted(threads, "thread", "threads"),
            counted(waiting, "task waits", "tasks wait"),
        )
    )
    if waiting and not living:
        yield care("workers", found, "start some: hypern worker app:app")
    else:
        yield good("workers", found)
    for name in sorted({name for worker in living for name in worker.unknown}):
        yield care("unknown task", name, "a worker does not find its function: see hypern tasks check")
    for queue in queues:
        if queue.paused and queue.waiting:
            yield note(
                "queue", f"{queue.name} is paused: {counted(queue.waiting, 'task waits', 'tasks wait')} in it"
            )
        served = any(worker.queues is None or queue.name in worker.queues for worker in living)
        if living and queue.waiting and not served:
            yield care("queue", f"{queue.name} is served by no process", "name it in --queues of a worker")


def _promises(kind: str) -> Iterator[Finding]:
    for promise in _PROMISES[kind]:
        yield note("promise", promise)
