"""The crash loop: two producers and two workers on one store, some of them killed again and again."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crash import phases
from crash.fleet import WORKER, Fleet, HarnessError, Member
from crash.journal import ACKS, read
from crash.looking import look
from crash.plan import PRODUCERS, ROLES, WORKERS, Plan
from crash.report import Found
from crash.rows import SQLiteTables
from crash.tables import Tables, wait_drained
from crash.watch import Watch

# A process that has not reached its named point after so many seconds is given up.
REACHED_WITHIN = 8.0
DRAINED_WITHIN = 60.0


WINDOWS = {"the claim window": phases.is_claim, "the finish window": phases.is_finish}
# Long enough for a dead worker's tasks to be run by others, which a stopped one's must not be (seconds).
STOPPED_FOR = 5.0


@dataclass
class Crashes:
    """One run of the loop in the directory `home`. `tables`: of the store, a file in that directory unless
    given; `restart`: stops the server of the store and starts it again, None: it has none."""

    home: Path
    tables: Tables | None = None
    restart: Callable[[], None] | None = None
    found: Found = field(init=False)
    fleet: Fleet = field(init=False)
    watch: Watch = field(init=False)
    stopped: int = 0
    restarts: int = 0
    unreached: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = self.tables or SQLiteTables(self.home / "tasks.db")
        self.found = Found("kill -9 at random times and at named points", WINDOWS)
        self.fleet = Fleet(self.home, self.store.url)
        self.watch = Watch(self.store)

    def run(self, cycles: Sequence[Plan], say: Callable[[str], None]) -> Found:
        """Kill as planned, let the rest be worked off, and judge."""
        try:
            self._bring_up()
            for this in cycles:
                self._cycle(this)
                self.found.cycles += 1
                if self.found.cycles % 10 == 0:
                    say(f"cycle {self.found.cycles} of {len(cycles)}, {len(self.fleet.deaths)} kills")
            self._drain()
            looked = look(self.fleet)
        except HarnessError as error:
            self.found.broken.append(f"the run stopped: {error}")
            looked = []
        finally:
            self.fleet.end()
        if looked:
            self.found.judge(self.home, self.fleet.deaths, self.watch.orphans, looked, self.store)
        self.found.stopped = self.stopped
        self.found.restarts = self.restarts
        self.found.unreached = dict(self.unreached)
        return self.found

    def _cycle(self, this: Plan) -> None:
        if this.is_restart:
            self._restart(this.calm)
            return
        if this.point:
            self._die_at(this.victims[0], this.point)
        else:
            time.sleep(this.calm)
        if this.is_stop:
            self._stop_and_go_on(self.fleet.members[this.victims[0]])
            return
        for slot in this.victims:
            member = self.fleet.members[slot]
            if member.process.poll() is None:
                self.fleet.kill(member)
        # At a named point it is known what the dead one held, as long as nobody has taken that over.
        look_first = this.look_first or bool(this.point)
        if look_first:
            self._look()
        self._bring_up()
        if not look_first:
            self._look()

    def _restart(self, calm: float) -> None:
        """The processes live on, and are to do so."""
        time.sleep(calm)
        if self.restart is not None:
            self.restart()
            self.restarts += 1
        time.sleep(calm)
        self._look()

    def _stop_and_go_on(self, worker: Member) -> None:
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_FOR)
        self._look()
        worker.process.send_signal(signal.SIGCONT)
        self.stopped += 1

    def _die_at(self, slot: str, point: str) -> None:
        """Replace this process by one that kills itself at `point`, and wait until it has."""
        self.fleet.kill(self.fleet.members[slot])
        armed = self.fleet.start(slot, ROLES[slot], point=point)
        if point.startswith(phases.RESCUE_POINT):
            reached = self._die_of_rescuing(armed)
        else:
            reached = self.fleet.wait_death(armed, REACHED_WITHIN)
        if not reached:
            self.unreached[point.partition(":")[0]] += 1

    def _die_of_rescuing(self, armed: Member) -> bool:
        """Kill the other worker amid a task until the armed one has died while it took care of that."""
        self.fleet.wait_up(armed)
        other = next(slot for slot in WORKERS if slot != armed.slot)
        for _ in range(3):
            victim = self.fleet.members[other]
            self._until_running(victim)
            self.fleet.kill(victim)
            if self.fleet.wait_death(armed, 3.0):
                return True
            self.fleet.wait_up(self.fleet.start(other, WORKER))
        return False

    def _until_running(self, worker: Member) -> None:
        give_up = time.monotonic() + REACHED_WITHIN
        while time.monotonic() < give_up:
            lines = self.fleet.lines(worker)
            begun = {line.id for line in lines if line.what == "start"}
            if begun - {line.id for line in lines if line.what in ("end", "raised")}:
                return
            time.sleep(0.005)

    def _bring_up(self) -> None:
        """Start what does not run, and wait until it works."""
        started = []
        for slot, role in ROLES.items():
            member = self.fleet.members.get(slot)
            if member is None or member.process.poll() is not None:
                started.append(self.fleet.start(slot, role))
        self.fleet.wait_up(*started)
        for member in started:
            if member.process.poll() is not None:
                raise HarnessError(
                    f"{member.who} ended with {member.process.returncode} after starting:\n"
                    f"{self.fleet.log(member)}"
                )

    def _look(self) -> None:
        acked = {line.id for line in read(self.home / ACKS) if line.what == "acked"}
        self.found.broken += self.watch.look(acked, self.fleet.deaths)

    def _drain(self) -> None:
        """Stop the producers, wait until the workers have nothing left to do, and stop these."""
        for slot in PRODUCERS:
            self._stop(slot)
        wait_drained(self.store, DRAINED_WITHIN)
        for slot in WORKERS:
            self._stop(slot)
        self._look()

    def _stop(self, slot: str) -> None:
        member = self.fleet.members[slot]
        code = self.fleet.stop(member)
        if code != 0:
            self.found.broken.append(
                f"{member.who} ended with {code} after SIGTERM: {self.fleet.log(member)}"
            )
