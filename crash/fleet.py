"""Starts, kills and buries the processes of one run, and keeps the book of deaths."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash import pulse
from crash.journal import ACKS, EFFECTS, Line, read, size
from crash.surroundings import COUNT, HOME, POINT, STORE, WHO, pulse_file

ROOT = Path(__file__).resolve().parent.parent
UP_WITHIN = 20.0
WORKER, PRODUCER = "worker", "producer"
_JOURNALS = {WORKER: EFFECTS, PRODUCER: ACKS}


class HarnessError(Exception):
    """The run itself does not work: a process did not come up, or ended in a way that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Death:
    """`at`: the latest moment (CLOCK_MONOTONIC nanoseconds) at which `who` is known to have lived.
    `point`: the named point or system call at which it killed itself; empty: it was killed from outside."""

    who: str
    role: str
    at: int
    point: str = ""


@dataclass(slots=True)
class Member:
    """One incarnation of a process. `slot`: what it is replaced under, such as `worker0`; `journal`: the file
    that it writes to, `since`: how long that was when it was started."""

    slot: str
    who: str
    role: str
    point: str
    journal: Path
    since: int
    process: subprocess.Popen[bytes]


@dataclass
class Fleet:
    """The processes that share the store `url`; journals, pulses and logs are kept in `home`."""

    home: Path
    url: str
    members: dict[str, Member] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)
    _made: int = 0

    def start(
        self,
        slot: str,
        role: str,
        *,
        point: str = "",
        count: int = 0,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Member:
        """Start a process under this slot. `point`: where it shall kill itself; `count`: how many tasks it
        is for; `before`: the words of a command that runs it."""
        self._made += 1
        who = f"{slot}-{self._made}"
        journal = self.home / _JOURNALS[role]
        since = size(journal)
        told = {HOME: str(self.home), STORE: self.url, WHO: who, COUNT: str(count), **(environment or {})}
        if point and not before:
            told[POINT] = point
        with (self.home / f"log-{who}").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", f"crash.{role}"],
                cwd=ROOT,
                env={**os.environ, **told},
                stdout=log,
                stderr=log,
                # A command that runs it (strace) must not survive without it, nor it without the command.
                start_new_session=True,
            )
        member = self.members[slot] = Member(slot, who, role, point, journal, since, process)
        return member

    def wait_up(self, *members: Member) -> None:
        """Return when these have said that they are up, or have ended. Raises HarnessError after a while."""
        give_up = time.monotonic() + UP_WITHIN
        for member in members:
            while not self.said(member, "up") and member.process.poll() is None:
                if time.monotonic() > give_up:
                    raise HarnessError(f"{member.who} did not come up within {UP_WITHIN:.0f} s")
                time.sleep(0.005)

    def said(self, member: Member, what: str) -> bool:
        """Whether this incarnation has written such a line."""
        return any(line.what == what for line in self.lines(member))

    def lines(self, member: Member) -> list[Line]:
        """What this incarnation has written."""
        return [line for line in read(member.journal, member.since) if line.who == member.who]

    def kill(self, member: Member) -> None:
        """SIGKILL it and wait until it is gone."""
        at = time.monotonic_ns()
        member.process.kill()
        ended = member.process.wait()
        if ended == -signal.SIGKILL:
            self._bury(member, at)

    def wait_death(self, member: Member, timeout: float) -> bool:
        """Whether it kills itself within so many seconds. Raises HarnessError if it ends in another way."""
        try:
            ended = member.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        if ended in (-signal.SIGKILL, 128 + signal.SIGKILL):
            self._bury(member, None)
            return True
        if ended == 0:
            return False
        raise HarnessError(f"{member.who} ended with {ended}:\n{self.log(member)}")

    def stop(self, member: Member, timeout: float = 30.0) -> int:
        """SIGTERM it. Its exit code. Raises HarnessError if it does not end."""
        with contextlib.suppress(ProcessLookupError):
            member.process.terminate()
        try:
            return member.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise HarnessError(
                f"{member.who} did not end within {timeout:.0f} s of SIGTERM:\n{self.log(member)}"
            ) from None

    def end(self) -> None:
        """Leave nothing running."""
        for member in self.members.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(member.process.pid, signal.SIGKILL)
            member.process.wait()

    def log(self, member: Member) -> str:
        """What it printed."""
        return (self.home / f"log-{member.who}").read_text(errors="replace")

    def _bury(self, member: Member, killed_at: int | None) -> None:
        # Who killed itself did so after its last beat; when exactly, nobody saw.
        at = killed_at or pulse.last(pulse_file(self.home, member.who)) or time.monotonic_ns()
        self.deaths.append(Death(member.who, member.role, at, "" if killed_at else member.point))
