"""A PostgreSQL server to test against: one that runs already, or a private one, which may be killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from tests.postgres import binaries
from tests.postgres.binaries import NoServer

__all__ = ["NoServer", "PrivateServer", "databases", "fresh_database", "running_server", "with_database"]

VARIABLE = "HYPERN_TEST_POSTGRES"
USUAL = ("127.0.0.1", 5432)
STARTS_WITHIN = 30.0


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextlib.contextmanager
def databases() -> Iterator[str]:
    """The URL of a server on which databases may be made: that of `HYPERN_TEST_POSTGRES`, or the one on
    127.0.0.1:5432, or a private one, which ends with the block. Raises NoServer."""
    url = running_server()
    if url is not None:
        yield url
        return
    with PrivateServer() as server:
        yield server.url


def running_server() -> str | None:
    """The URL of a server that runs already. Raises NoServer if the named one cannot be used."""
    named = os.environ.get(VARIABLE)
    if named:
        if (why := _why_unusable(named)) is not None:
            raise NoServer(f"{VARIABLE} names a server that cannot be used: {why}")
        return named
    for user in ("root", "postgres"):
        url = f"postgresql://{user}@{USUAL[0]}:{USUAL[1]}/postgres"
        if _why_unusable(url) is None:
            return url
    return None


def _why_unusable(url: str) -> str | None:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        return str(error).strip()
    return None if row and row[0] else "its user may not create databases"


@contextlib.contextmanager
def fresh_database(url: str, options: str = "") -> Iterator[str]:
    """The URL of a new, empty database of this server, which is dropped at the end of the block.
    `options`: of CREATE DATABASE."""
    name = f"hypern_test_{os.getpid()}_{secrets.token_hex(4)}"
    _execute(url, f"CREATE DATABASE {name} {options}")
    try:
        yield with_database(url, name)
    finally:
        _execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(statement)


class PrivateServer:
    """A server of our own in a temporary directory, that may be stopped, killed and started again.

    `settings`: of postgresql.conf. It listens on 127.0.0.1, and on `addresses` too, whose neighbours it lets
    in. The directory goes with `close`.
    """

    def __init__(self, *, addresses: tuple[str, ...] = (), **settings: Any) -> None:
        self._addresses = addresses
        self._programs = binaries.directory()
        self._user = binaries.user()
        self._home = Path(tempfile.mkdtemp(prefix="hypern-postgres-"))
        self._data = self._home / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._settings = {
            "port": self.port,
            "listen_addresses": ",".join(("127.0.0.1", *addresses)),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": 200,
            **settings,
        }
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PrivateServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and return when it answers; nothing is done if it runs. Raises NoServer."""
        if self.is_running:
            return
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )
        give_up = time.monotonic() + STARTS_WITHIN
        while True:
            why = _why_unusable(self.url)
            if why is None:
                return
            if not self.is_running or time.monotonic() > give_up:
                raise NoServer(f"the private PostgreSQL did not start: {why}\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and wait for that: SIGINT takes leave of everybody, SIGQUIT is `pg_ctl stop -m immediate`,
        which recovers at the next start; SIGKILL gives nobody notice."""
        if self._process is None:
            return
        orphans = self._children() if how == signal.SIGKILL else []
        if self._process.poll() is None:
            self._process.send_signal(how)
        self._process.wait(30)
        self._wait_until_gone(orphans)

    def close(self) -> None:
        """End it and remove all that it kept."""
        try:
            self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self._home, ignore_errors=True)

    @property
    def log(self) -> Path:
        return self._home / "log"

    def _initialize(self) -> None:
        if self._user is not None:
            os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        made = subprocess.run(
            [
                self._programs / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync",
                "--encoding=UTF8", "--locale=C",
            ],
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )  # fmt: skip
        if made.returncode != 0:
            raise NoServer(f"initdb failed: {(made.stderr or made.stdout).strip()[-1000:]}")
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host all all {address}/30 trust\n" for address in self._addresses)

    def _as_user(self) -> dict[str, Any]:
        common: dict[str, Any] = {"cwd": self._home, "env": {**os.environ, "LC_ALL": "C"}}
        if self._user is None:
            return common
        return {**common, "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _children(self) -> list[int]:
        assert self._process is not None
        ask = ["ps", "-o", "pid=", "--ppid", str(self._process.pid)]
        listed = subprocess.run(ask, capture_output=True, text=True, check=False)
        return [int(pid) for pid in listed.stdout.split()]

    def _wait_until_gone(self, pids: list[int]) -> None:
        """While a process of a killed server lives, the server cannot start again."""
        give_up = time.monotonic() + STARTS_WITHIN
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < give_up:
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
