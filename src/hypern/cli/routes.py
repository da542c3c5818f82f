"""`hypern routes`: what an app answers, and with which function."""

from __future__ import annotations

import argparse

from hypern.cli.arguments import APP, Commands
from hypern.cli.locate import locate
from hypern.cli.looking import add_json, wants_json
from hypern.cli.output import say, say_json, screen_columns, table, tell


def add(commands: Commands) -> None:
    command = commands.add_parser("routes", help="list the routes of an app", allow_abbrev=False)
    command.add_argument("app", metavar="APP", help=APP)
    add_json(command)
    command.set_defaults(do=routes)


def routes(given: argparse.Namespace) -> None:
    """One line a route, in the order of registration."""
    found = locate(given.app).get_routes()
    if wants_json(given):
        say_json({"routes": found})
        return
    if not found:
        tell("no routes")
        return
    rows = [(route["method"], route["path"], route["handler"], _first_line(route["doc"])) for route in found]
    for line in table(("METHOD", "PATH", "HANDLER", ""), rows, screen_columns()):
        say(line)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
