"""A second host: a network namespace of its own with a link to this one, which can be taken down."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import subprocess

import pytest

_numbers = itertools.count()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Host:
    """Programs that are started with `inside` see no network but a link to this machine.

    `address`: of this machine as the host sees it, `own_address`: of the host.
    """

    def __init__(self) -> None:
        number = next(_numbers)
        self._name = f"hypern{os.getpid()}n{number}"
        # An interface's name has at most 15 characters.
        self._near, self._far = f"hy{os.getpid()}n{number}", f"hy{os.getpid()}f{number}"
        net = f"10.{200 + number % 50}.{os.getpid() % 250}"
        self.address, self.own_address = f"{net}.1", f"{net}.2"
        _ip("netns", "add", self._name)
        try:
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._name)
            _ip("address", "add", f"{self.address}/30", "dev", self._near)
            _ip("link", "set", self._near, "up")
            _ip("-n", self._name, "address", "add", f"{self.own_address}/30", "dev", self._far)
            _ip("-n", self._name, "link", "set", "lo", "up")
            _ip("-n", self._name, "link", "set", self._far, "up")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def inside(self) -> tuple[str, ...]:
        """The words to put before a command, so that it runs on this host."""
        return ("ip", "netns", "exec", self._name)

    def take_link_down(self) -> None:
        """Nothing arrives any more, in either direction, and nobody is told."""
        _ip("link", "set", self._near, "down")

    def bring_link_up(self) -> None:
        _ip("link", "set", self._near, "up")

    def slow_down(self, rate: str = "256kbit") -> None:
        """Let no more than this through to the host."""
        words = ["tc", "qdisc", "add", "dev", self._near, "root", "tbf", "rate", rate, "burst", "4kb"]
        subprocess.run([*words, "latency", "2s"], check=True, capture_output=True)

    def close(self) -> None:
        """The link goes with the namespace."""
        subprocess.run(["ip", "netns", "delete", self._name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", self._near], capture_output=True, check=False)


@functools.cache
def why_no_hosts() -> str | None:
    """Why this machine cannot make such hosts; None: it can."""
    if shutil.which("ip") is None:
        return "two hosts need the program ip: apt-get install iproute2"
    try:
        Host().close()
    except OSError as error:
        return f"two hosts need network namespaces, and this user may not make them ({error})"
    return None


def need_hosts() -> None:
    """Skip the test where there can be none."""
    why = why_no_hosts()
    if why is not None:
        pytest.skip(why)
