"""Serving with several processes: their address, and the line that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypern.http.listening import Listening
from hypern.processes.port import Port
from hypern.processes.spawn import this_command
from hypern.processes.supervisor import Supervisor
from hypern.processes.watch import Watch


def supervisor(
    listening: Listening,
    web: int,
    task: int,
    callback: Callable[[], Any] | None = None,
    watch: Watch | None = None,
) -> Supervisor:
    """The one that runs this very program `web + task` times, the web processes on one address.

    Raises ConfigurationError if the address cannot be had, or the program cannot be run again.
    """
    command = this_command()
    port = Port(listening.bind, web)
    kind = _kind(web, task) + (", reloading on changes" if watch is not None else "")
    return Supervisor(command, port, web, task, lambda: listening.announce(kind, callback), watch)


def _kind(web: int, task: int) -> str:
    if task:
        return f" with {web} web and {task} task process{'' if task == 1 else 'es'}"
    return f" with {web} processes" if web > 1 else ""
