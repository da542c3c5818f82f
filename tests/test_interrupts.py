"""What a signal handler raises in a loop meets the `try` or `with` around it, whatever the compiler does."""

from __future__ import annotations

import ast
import dis
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

SOURCES = Path(__file__).parent.parent / "src/hypern"
# What the main thread passes through, where a signal handler may raise (Ctrl-C).
MODULES = [
    "threads.py",
    "stores/memory.py",
    "stores/memory_state.py",
    *(f"stores/durable/{path.name}" for path in sorted((SOURCES / "stores/durable").glob("*.py"))),
    "stores/sqlite/forks.py",
    "stores/sqlite/transacting.py",
    "stores/postgres/transacting.py",
    "tasks/answers.py",
    "tasks/engine.py",
]
HARMLESS = {
    "Mutex.acquire": "the lock has not been taken where it jumps back",
    "Writer._serve": "it runs in a thread of its own, which signal handlers do not interrupt",
}


def guarded(source: str, code: CodeType) -> set[int]:
    """The lines within a `try` or a `with` of this function, or of one within it."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Try | ast.With) and node.lineno > code.co_firstlineno:
            lines.update(range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1))
    return lines


def functions(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from functions(constant)


def escapes(code: CodeType) -> Iterator[int]:
    """The lines with a jump back that is guarded by something else than the step before it."""
    entries = dis.Bytecode(code).exception_entries

    def handler(offset: int) -> int | None:
        return next((entry.target for entry in entries if entry.start <= offset < entry.end), None)

    before = None
    for step in dis.get_instructions(code):
        is_conditional = before is not None and before.opname.startswith("POP_JUMP")
        if step.opname == "JUMP_BACKWARD" and before is not None and is_conditional:
            line = step.positions.lineno if step.positions is not None else None
            if line is not None and handler(step.offset) != handler(before.offset):
                yield line
        before = step


def found(source: str) -> set[str]:
    """The functions with a loop in a `try` or `with` that has a way past it."""
    return {
        code.co_qualname
        for code in functions(compile(source, "", "exec"))
        if guarded(source, code).intersection(escapes(code))
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_loop_escapes_from_what_guards_it(module: str) -> None:
    """No lock stays taken, and nobody is left waiting, because of where in a loop a Ctrl-C came
    (python/cpython#130279)."""
    assert found((SOURCES / module).read_text()) <= HARMLESS.keys()
