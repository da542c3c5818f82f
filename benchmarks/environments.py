"""Makes the peers' virtual environments under .bench/, each with its own pinned packages."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench"
OURS = "ours"

PINNED = {
    "hypern-1.1.4": ("hypern==1.1.4",),
    "fastapi": (
        "fastapi==0.165.0",
        "starlette==1.10.0",
        "uvicorn==0.54.0",
        "uvloop==0.23.0",
        "httptools==0.9.0",
    ),
    "starlette": ("starlette==1.10.0", "granian==2.8.7", "uvloop==0.23.0"),
    "robyn": ("robyn==0.88.0", "uvloop==0.22.1"),
    "huey": ("huey==3.5.4",),
}


def python_of(environment: str) -> str:
    """The interpreter of an environment; `ours` is the one that runs the benchmarks."""
    if environment == OURS:
        return sys.executable
    return str(HOME / environment / "bin" / "python")


def prepare(environments: set[str]) -> None:
    """Create what is missing or made from other pins. Raises subprocess.CalledProcessError when pip fails."""
    for name in sorted(environments - {OURS}):
        made_from = HOME / name / "made-from.txt"
        pins = "\n".join((sys.version, *PINNED[name]))
        if made_from.exists() and made_from.read_text() == pins:
            continue
        print(f"Installing {', '.join(PINNED[name])} into {HOME.name}/{name} …", file=sys.stderr, flush=True)
        venv.create(HOME / name, with_pip=True, clear=True)
        pip = [python_of(name), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINNED[name]], check=True)
        made_from.write_text(pins)
