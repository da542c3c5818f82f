"""What `hypern store` does: make the tables, look whether all is well, copy waiting tasks."""

from __future__ import annotations

import argparse

from hypern.cli.arguments import STORE, Commands, seconds
from hypern.cli.described import finding_line
from hypern.cli.output import say, tell
from hypern.clock import SystemClock
from hypern.config import Settings, without_password
from hypern.errors import ConfigurationError, HypernError
from hypern.stores.copying import Copied, check_urls, copy_waiting
from hypern.stores.findings import Verdict
from hypern.stores.opening import check_store, open_store


def add(commands: Commands) -> None:
    """The arguments of its verbs."""
    command = commands.add_parser("store", help="look after a task store", allow_abbrev=False)
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")

    making = verbs.add_parser("migrate", help="make its tables, or bring older ones up to date")
    making.add_argument("url", metavar="URL", help=STORE)
    making.set_defaults(do=migrate)

    checking = verbs.add_parser("check", help="see whether it is sound and set up well; changes nothing")
    checking.add_argument("url", metavar="URL", help=STORE)
    checking.set_defaults(do=check)

    copying = verbs.add_parser("copy", help="copy the waiting tasks to another store; can be done again")
    copying.add_argument("source", metavar="FROM", help=STORE)
    copying.add_argument("target", metavar="TO", help="the other one")
    copying.add_argument(
        "--remove", action="store_true", help="take out of FROM what TO has (they stay in both)"
    )
    copying.add_argument(
        "--wait",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait until no worker and no task runs on FROM (not at all)",
    )
    copying.add_argument("--verbose", action="store_true", help="say how far it is")
    copying.set_defaults(do=copy)


def migrate(given: argparse.Namespace) -> None:
    """Make the tables, or bring those of an older version up to this one."""
    settings = Settings(task_store=_database(given.url))
    open_store(settings, SystemClock()).close()
    say(f"{without_password(given.url)} is ready for this version of Hypern.")


def check(given: argparse.Namespace) -> None:
    """Print what is found, line by line. Raises HypernError if the store cannot be relied on."""
    found = []
    for finding in check_store(_database(given.url)):
        say(finding_line(finding))
        found.append(finding.verdict)
    if Verdict.BAD in found:
        raise HypernError(
            f"{without_password(given.url)} cannot be relied on: see the lines that begin with 'bad'."
        )


def copy(given: argparse.Namespace) -> None:
    """Copy what waits from one store to another."""
    check_urls(given.source, given.target)
    copied = copy_waiting(
        given.source,
        given.target,
        remove=given.remove,
        wait=given.wait,
        told=_progress if given.verbose else _silent,
    )
    text = f"{copied.new:,} tasks copied"
    if copied.known:
        text += f", {copied.known:,} were known there already"
    if given.remove:
        text += f", {copied.removed:,} removed from {without_password(given.source)}"
    else:
        text += f". {without_password(given.source)} still has them: run no worker on it any more"
    say(f"{text}.")


def _database(url: str) -> str:
    if url.startswith("memory:"):
        raise ConfigurationError("'memory://' keeps nothing that could be looked at. Name a database.")
    return url


def _progress(copied: Copied) -> None:
    tell(f"{copied.new + copied.known:,} tasks …")


def _silent(copied: Copied) -> None:
    pass
