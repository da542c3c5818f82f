"""The command line, `hypern COMMAND …`: each command in a module of its own.

Exit status: 0 all went well, 1 it failed or was not found, 2 it was called or set up in a way that cannot
work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from hypern.cli import dashboard, doctor, queues, routes, serving, store, tasks, top
from hypern.cli.output import finish, safe_lines, tell
from hypern.errors import ConfigurationError, HypernError, InvalidOption

FAILED, USAGE = 1, 2
# What shells report of programs that Ctrl-C, or a reader who has seen enough, has ended.
_INTERRUPTED, _UNREAD = 130, 141

# In the order in which `hypern --help` names them. Each has `add`, which adds its arguments, and with them
# what to `do`: called with what was given, it returns the exit status, None for 0.
_COMMANDS = (serving, tasks, queues, top, dashboard, routes, doctor, store)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments (those of the process unless given) say. The exit status.

    Raises SystemExit where argparse does: for `--help` and for arguments that it cannot read.
    """
    given = _parser().parse_args(arguments)
    try:
        status: int = given.do(given) or 0
        finish()
    except (ConfigurationError, InvalidOption) as error:
        tell(_complaint(error))
        return USAGE
    except HypernError as error:
        tell(_complaint(error))
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _UNREAD
    return status


def _complaint(error: HypernError) -> str:
    return "\n".join(safe_lines(f"hypern: {error}"))


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="hypern",
        description="Serve an app, run its background tasks, look after them.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"hypern {version('hypern')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return top
