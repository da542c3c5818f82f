"""Runs one contender in a process of its own: a server for a while, or a program that prints JSON."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import HOME, python_of, why_missing

PEERS = Path(__file__).resolve().parent / "peers"
LOG = HOME / "server.log"
SERVER_STARTS_WITHIN = 8.0
Figures = dict[str, float]


class ContenderError(Exception):
    """A contender could not be measured: it did not start, did not answer, or stopped early."""


def run_program(
    environment: str,
    arguments: Sequence[str],
    timeout: float = 300.0,
    variables: Mapping[str, str] | None = None,
) -> Figures:
    """Run `peers/<arguments>` to its end, with `variables` added to the environment, and return the JSON of
    its last line. Raises ContenderError."""
    require(environment)
    command = [python_of(environment), *arguments]
    # A session of its own, because some programs start workers that must go with them.
    program = subprocess.Popen(
        command,
        cwd=PEERS,
        env={**os.environ, **(variables or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = program.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise ContenderError(f"{arguments[0]} was not done after {timeout:.0f} s") from late
    finally:
        kill(program)
    lines = output.splitlines()
    if program.returncode != 0 or not lines:
        raise ContenderError(f"{arguments[0]} ended with {program.returncode}: {last_line(errors)}")
    return json.loads(lines[-1])


def require(environment: str) -> None:
    """Raises ContenderError for an environment that could not be made."""
    reason = why_missing(environment)
    if reason is not None:
        raise ContenderError(reason)


@contextlib.contextmanager
def serving(
    environment: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Keep a server alive for the block, with `variables` added to its environment, and yield its port, put
    in for `{port}`. Raises ContenderError."""
    require(environment)
    server, port = start_twice_at_most(environment, arguments, variables or {})
    try:
        yield port
    finally:
        kill(server)


def start_twice_at_most(
    environment: str, arguments: Sequence[str], variables: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """The second try is for hypern 1.1.4, which forks beside its threads and now and then hangs there."""
    for last_try in (False, True):
        server, port = start(environment, arguments, variables)
        try:
            wait_until_answering(server, port)
        except ContenderError:
            kill(server)
            if last_try:
                raise
        else:
            break
    return server, port


def start(
    environment: str, arguments: Sequence[str], variables: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    command = [python_of(environment), *(argument.format(port=port) for argument in arguments)]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as output:
        # A session of its own, because several of these servers fork workers that must go with them.
        server = subprocess.Popen(
            command,
            cwd=PEERS,
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return server, port


def kill(server: subprocess.Popen[Any]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_until_answering(server: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + SERVER_STARTS_WITHIN
    while time.monotonic() < give_up:
        if server.poll() is not None:
            raise ContenderError(f"the server ended with {server.returncode}: {last_line(LOG.read_text())}")
        with contextlib.suppress(ContenderError):
            read_counts(port)
            return
        time.sleep(0.02)
    raise ContenderError(
        f"the server did not answer within {SERVER_STARTS_WITHIN:.0f} s: {last_line(LOG.read_text())}"
    )


def read_counts(port: int) -> Figures:
    """How many users the server saved and how many tasks it ran, so far. Raises ContenderError."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=5) as response:
            return json.load(response)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise ContenderError(f"GET /counts: {error}") from error


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """An empty directory on the disk of this project, because another may be no disk at all (tmpfs)."""
    HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME, prefix="work-") as name:
        yield Path(name)


@contextlib.contextmanager
def redis_running(directory: Path) -> Iterator[str]:
    """Keep an empty Redis without persistence alive for the block. Its URL. Raises ContenderError."""
    if shutil.which("redis-server") is None:
        raise ContenderError("redis-server is not on the PATH; install it: apt-get install redis-server")
    port = free_port()
    settings = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with (directory / "redis.log").open("w") as output:
        server = subprocess.Popen(
            ("redis-server", *settings, "--dir", str(directory)), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until_accepting(server, port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def wait_until_accepting(server: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + SERVER_STARTS_WITHIN
    while time.monotonic() < give_up and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise ContenderError("redis-server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(it printed nothing)"])[-1]
