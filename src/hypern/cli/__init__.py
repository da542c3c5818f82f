"""The command line: `hypern run`, `hypern worker` and `hypern store`.

Exit status: 0 all went well, 1 it failed, 2 it was called or set up in a way that cannot work.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hypern.cli import store
from hypern.cli.arguments import parser
from hypern.cli.commands import run, worker
from hypern.errors import ConfigurationError, HypernError

FAILED, USAGE = 1, 2
_COMMANDS = {
    "run": run,
    "worker": worker,
    "store migrate": store.migrate,
    "store check": store.check,
    "store copy": store.copy,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments (those of the process unless given) say. The exit status.

    Raises SystemExit where argparse does: for `--help` and for arguments that it cannot read.
    """
    given = parser().parse_args(arguments)
    try:
        _COMMANDS[given.command](given)
    except ConfigurationError as error:
        print(f"hypern: {error}", file=sys.stderr)  # noqa: T201
        return USAGE
    except HypernError as error:
        print(f"hypern: {error}", file=sys.stderr)  # noqa: T201
        return FAILED
    return 0
