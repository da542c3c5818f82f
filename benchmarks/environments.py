"""Makes the peers' virtual environments under .bench/, each with its own pinned packages."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench"
OURS = "ours"
FAILED = "failed.txt"

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
    "celery": ("celery==5.7.0", "kombu==5.7.0", "packaging==26.3", "redis==8.1.0", "hiredis==3.5.0"),
    "dramatiq": ("dramatiq==2.2.1", "redis==8.1.0", "hiredis==3.5.0"),
    "taskiq": (
        "taskiq==0.13.0",
        "taskiq-redis==1.2.4",
        "redis==8.1.0",
        "hiredis==3.5.0",
        "orjson==3.13.0",
        "uvloop==0.23.0",
    ),
    "saq": ("saq==0.26.4", "redis==7.4.1", "hiredis==3.5.0", "typing_extensions==4.16.0", "uvloop==0.23.0"),
    "streaq": ("streaq==7.2.0", "coredis==6.9.0", "uvloop==0.23.0"),
    "flexiq": ("flexiq==2.1.0",),
    "dbos": ("dbos==3.4.0", "SQLAlchemy==2.1.9"),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0"),
    "procrastinate": (
        "procrastinate==3.10.0",
        "psycopg[binary]==3.3.9",
        "psycopg-pool==3.3.3",
        "uvloop==0.23.0",
    ),
    "oban": ("oban==0.7.0", "uvloop==0.23.0"),
}
# The oldest Python of those that do not run on ours.
WANTS = {"oban": (3, 12)}
_NEWER = ("python3.13", "python3.12")


def python_of(environment: str) -> str:
    """The interpreter of an environment; `ours` is the one that runs the benchmarks."""
    if environment == OURS:
        return sys.executable
    return str(HOME / environment / "bin" / "python")


def prepare(environments: set[str]) -> None:
    """Create what is missing or made from other pins; what cannot be made is left to `why_missing`."""
    for name in sorted(environments - {OURS}):
        python = _interpreter(name)
        made_from = HOME / name / "made-from.txt"
        pins = "\n".join((_version(python), *PINNED[name]))
        if made_from.exists() and made_from.read_text() == pins:
            continue
        print(f"Installing {', '.join(PINNED[name])} into {HOME.name}/{name} …", file=sys.stderr, flush=True)
        subprocess.run([python, "-m", "venv", "--clear", str(HOME / name)], check=True)
        pip = [python_of(name), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *PINNED[name]], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            made_from.write_text(pins)
        else:
            print(done.stderr, file=sys.stderr, flush=True)
            (HOME / name / FAILED).write_text((done.stderr.strip().splitlines() or ["pip failed"])[-1])


def _interpreter(name: str) -> str:
    """Ours, if the packages run on it; else a newer one that starts here, from the path or from pyenv."""
    if sys.version_info >= WANTS.get(name, (3, 0)):
        return sys.executable
    versions = (Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob("3.1[23].*")
    candidates = [*_NEWER, *(str(version / "bin" / "python") for version in sorted(versions, reverse=True))]
    return next((python for python in candidates if _version(python)), sys.executable)


def _version(python: str) -> str:
    """What an interpreter says of itself; nothing if it does not start."""
    try:
        command = [python, "-c", "import sys; print(sys.version)"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def why_missing(environment: str) -> str | None:
    """Why an environment could not be made, None if it is there."""
    failed = HOME / environment / FAILED
    return f"it could not be installed: {failed.read_text()}" if failed.exists() else None
