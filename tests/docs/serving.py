"""A program of the documentation, started as its reader would start it, and its curl lines sent to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_PORT = re.compile(r"Hypern listening on http://[^ ]*:(\d+)")
_PLACEHOLDER = re.compile(r"[A-Z]+_ID")


@contextmanager
def served(directory: Path) -> Iterator[int]:
    """The port of `python app.py` in `directory`; in the end it has to stop in good order."""
    program = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=directory,
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            assert program.stdout is not None
            announced = _PORT.match(program.stdout.readline())
            assert announced, f"the program did not start:\n{program.communicate(timeout=10)[1]}"
            yield int(announced[1])
            program.send_signal(signal.SIGTERM)
            errors = program.communicate(timeout=40)[1]
            assert program.returncode == 0, errors
        finally:
            program.kill()


class Curl:
    """Sends the requests of console blocks, and remembers what the placeholders in the answers stood for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.known: dict[str, str] = {}

    def check(self, transcript: str) -> None:
        """Every `$ curl …` line gets the answer that is shown below it."""
        for command in transcript.removeprefix("$ ").split("\n$ "):
            line, _, shown = command.partition("\n")
            self._check_one(line, shown.strip())

    def _check_one(self, line: str, shown: str) -> None:
        method, url, body = _parsed(line)
        url = _PLACEHOLDER.sub(lambda found: self.known[found[0]], url)
        # A task takes its time: what is only looked at may be looked at until it is as shown.
        deadline = time.monotonic() + (30 if method == "GET" else 0)
        while not self._fits(_value(shown), answer := _value(self._send(method, url, body))):
            assert time.monotonic() < deadline, f"{line}\nanswers {answer}\ninstead of {shown}"
            time.sleep(0.02)

    def _send(self, method: str, url: str, body: str | None) -> str:
        parts = urlsplit(f"//{url}")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, body)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _fits(self, shown: Any, answer: Any) -> bool:
        if isinstance(shown, str) and _PLACEHOLDER.fullmatch(shown):
            return self.known.setdefault(shown, answer) == answer
        if isinstance(shown, dict) and isinstance(answer, dict):
            return list(shown) == list(answer) and all(self._fits(shown[key], answer[key]) for key in shown)
        return bool(shown == answer)


def _parsed(line: str) -> tuple[str, str, str | None]:
    """Method, URL and body of a curl line. AssertionError for options that are not known here."""
    program, *arguments = shlex.split(line)
    assert program == "curl", line
    method = body = url = None
    for argument in (rest := iter(arguments)):
        match argument:
            case "-X":
                method = next(rest)
            case "-d":
                body = next(rest)
            case _:
                assert not argument.startswith("-"), f"{argument} in {line}"
                url = argument
    assert url is not None, line
    return method or ("GET" if body is None else "POST"), url, body


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
