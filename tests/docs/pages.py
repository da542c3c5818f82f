"""The pages of the documentation and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))

_FENCE = re.compile(r"^```(\w*)$")
_FILE = re.compile(r"# ([\w/]+\.py)$")


@dataclass(frozen=True)
class Block:
    """`language`: what stands behind the fence. `line`: the number of the text's first line in its page."""

    language: str
    line: int
    text: str

    @property
    def file(self) -> str | None:
        """The file that this block is, if its first line says so: `# tasks/mail.py`."""
        named = _FILE.match(self.text.partition("\n")[0])
        return named[1] if named and self.language == "python" else None


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of one language, in order. AssertionError for a fence that is never closed."""
    found: list[Block] = []
    opened: tuple[str, int] | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = (fence[1], number + 1)
        else:
            text = "\n".join(lines[opened[1] - 1 : number - 1]) + "\n"
            found.append(Block(opened[0], opened[1], text))
            opened = None
    assert opened is None, f"{page.name}: the block at line {opened[1]} is not closed"
    return [block for block in found if block.language == language]


def write_files(page: Path, project: Path) -> None:
    """Write the blocks that are files of a program into `project`."""
    for block in blocks(page, "python"):
        if block.file is not None:
            path = project / block.file
            assert not path.exists(), f"{page.name} shows {block.file} twice"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
