"""Runs the Python blocks of one page as one program: `python -m tests.docs.run_page PAGE PROJECT`.

Blocks that are files are written into the directory PROJECT first and imported when it is their turn, and
the tests in them called; the others are executed in order in one namespace. A line `print(…)  # text` has
to print that text, as have the comments that a block ends with.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.docs.pages import Block, blocks, write_files

_PROMISED = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)
_PROMISED_BELOW = re.compile(r"(?:^# .*\n)+\Z", re.MULTILINE)


def main(page: Path, project: Path) -> None:
    write_files(page, project)
    os.chdir(project)
    sys.path.insert(0, str(project))
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page, "python"):
        if block.file is not None:
            module = importlib.import_module(block.file.removesuffix(".py").replace("/", "."))
            for name, value in vars(module).items():
                if name.startswith("test_"):
                    value()
        else:
            run(block, page, names)


def run(block: Block, page: Path, names: dict[str, Any]) -> None:
    # The empty lines in front make the numbers in a traceback those of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    promised = _PROMISED.findall(block.text)
    if below := _PROMISED_BELOW.search(block.text):
        promised += [line.removeprefix("# ") for line in below[0].splitlines()]
    if promised and printed.getvalue().splitlines() != promised:
        sys.exit(
            f"{page.name}, block at line {block.line}: prints\n{printed.getvalue()}instead of\n{promised}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
