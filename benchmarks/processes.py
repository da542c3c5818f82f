"""Runs one contender in a process of its own: a server for a while, or a program that prints JSON."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.environments import HOME, python_of

PEERS = Path(__file__).resolve().parent / "peers"
LOG = HOME / "server.log"
SERVER_STARTS_WITHIN = 8.0
Figures = dict[str, float]


class ContenderError(Exception):
    """A contender could not be measured: it did not start, did not answer, or stopped early."""


def run_program(environment: str, arguments: Sequence[str], timeout: float = 300.0) -> Figures:
    """Run `peers/<arguments>` to its end and return the JSON of its last line. Raises ContenderError."""
    command = [python_of(environment), *arguments]
    try:
        done = subprocess.run(
            command, cwd=PEERS, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise ContenderError(f"{arguments[0]} was not done after {timeout:.0f} s") from late
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        raise ContenderError(f"{arguments[0]} ended with {done.returncode}: {last_line(done.stderr)}")
    return json.loads(lines[-1])


@contextlib.contextmanager
def serving(environment: str, arguments: Sequence[str]) -> Iterator[int]:
    """Keep a server alive for the block and yield its port, put in for `{port}`. Raises ContenderError."""
    server, port = start_twice_at_most(environment, arguments)
    try:
        yield port
    finally:
        kill(server)


def start_twice_at_most(environment: str, arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """The second try is for hypern 1.1.4, which forks beside its threads and now and then hangs there."""
    for last_try in (False, True):
        server, port = start(environment, arguments)
        try:
            wait_until_answering(server, port)
        except ContenderError:
            kill(server)
            if last_try:
                raise
        else:
            break
    return server, port


def start(environment: str, arguments: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    command = [python_of(environment), *(argument.format(port=port) for argument in arguments)]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as output:
        # A session of its own, because several of these servers fork workers that must go with them.
        server = subprocess.Popen(
            command, cwd=PEERS, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    return server, port


def kill(server: subprocess.Popen[bytes]) -> None:
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["(it printed nothing)"])[-1]
