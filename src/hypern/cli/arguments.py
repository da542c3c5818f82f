"""Which commands and options there are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version

_APP = (
    "where the app is: module:name, as in app:app. The module alone finds one called app or application; "
    "app:create_app() calls a function that makes it"
)


def parser() -> argparse.ArgumentParser:
    """Everything that can be typed after `hypern`."""
    top = argparse.ArgumentParser(
        prog="hypern", description="Serve an app, or run its background tasks.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"hypern {version('hypern')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="serve an app", allow_abbrev=False))
    _add_worker(
        commands.add_parser("worker", help="run the tasks of an app, and serve nothing", allow_abbrev=False)
    )
    _add_store(commands.add_parser("store", help="look after a task store", allow_abbrev=False))
    return top


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("app", metavar="APP", help=_APP)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    command.add_argument(
        "--port", type=int, default=3000, help="port to listen on (%(default)s); 0: a free one"
    )
    command.add_argument(
        "--workers",
        type=_at_least(1),
        default=1,
        metavar="N",
        help="processes that serve (%(default)s); several need a task store that they share",
    )
    command.add_argument(
        "--task-processes",
        type=_at_least(0),
        default=0,
        metavar="N",
        help="processes that run the tasks, so that those that serve run none (%(default)s: they run them)",
    )
    command.add_argument(
        "--reload", action="store_true", help="start anew when a *.py file below this directory changes"
    )
    command.add_argument("--ssl-cert", metavar="FILE", help="certificate, to serve https")
    command.add_argument("--ssl-key", metavar="FILE", help="key of the certificate")


def _add_worker(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "app", metavar="APP", help=f"{_APP}. A module without an app will do if it declares tasks"
    )
    command.add_argument(
        "--queues", type=_names, metavar="A,B", help="run only tasks of these queues (all of them)"
    )
    command.add_argument(
        "--concurrency",
        type=_at_least(1),
        metavar="N",
        help="threads for plain functions (the app's task_workers)",
    )


def _add_store(command: argparse.ArgumentParser) -> None:
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    where = "the store, as in task_store: sqlite:///tasks.db, postgresql://user@host/database"

    migrate = verbs.add_parser("migrate", help="make its tables, or bring older ones up to date")
    migrate.add_argument("url", metavar="URL", help=where)
    migrate.set_defaults(command="store migrate")

    check = verbs.add_parser("check", help="see whether it is sound and set up well; changes nothing")
    check.add_argument("url", metavar="URL", help=where)
    check.set_defaults(command="store check")

    copy = verbs.add_parser("copy", help="copy the waiting tasks to another store; can be done again")
    copy.add_argument("source", metavar="FROM", help=where)
    copy.add_argument("target", metavar="TO", help="the other one")
    copy.add_argument(
        "--remove", action="store_true", help="take out of FROM what TO has (they stay in both)"
    )
    copy.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait until no worker and no task runs on FROM (not at all)",
    )
    copy.add_argument("--verbose", action="store_true", help="say how far it is")
    copy.set_defaults(command="store copy")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return seconds


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {least} or more")
        return int(text)

    return number


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} has to be names with commas between, as in mail,reports")
    return names
