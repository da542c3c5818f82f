"""From what was written down to what was broken: every promise that the harness looks at, in one place."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from crash.fleet import WORKER, Death
from crash.journal import Line

SECOND = 1_000_000_000
# A task whose workers die is delivered so often, and then fails.
DELIVERIES = 3
RETRIES = {"flaky": 1}


@dataclass(frozen=True, slots=True)
class Row:
    """A task as the store has it. `result`: `"incarnation attempt"`, where it is known."""

    id: str
    status: str
    result: str | None = None
    error: str | None = None

    @property
    def is_ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a task. `over`: when it ended, was refused or its worker died; None: it goes on.
    `ended`: whether the body came to its end; `told`: whether its outcome was recorded."""

    id: str
    who: str
    attempt: int
    at: int
    over: int | None
    ended: bool
    told: bool


@dataclass
class History:
    """All that is known of a run. `rows`: the store after the drain, in the order of submission."""

    effects: Sequence[Line]
    acks: Sequence[Line]
    deaths: Sequence[Death]
    rows: Sequence[Row] = ()
    died: dict[str, Death] = field(init=False)
    called: dict[str, int] = field(init=False)
    """When each id was first given to submit; a repeated call changes nothing, so delays count from here."""

    def __post_init__(self) -> None:
        self.died = {death.who: death for death in self.deaths}
        calls = [line for line in self.acks if line.what == "calling"]
        self.called = {line.id: line.at for line in reversed(calls)}

    def acked(self) -> list[Line]:
        return [line for line in self.acks if line.what == "acked"]

    def runs(self) -> dict[str, list[Run]]:
        """The starts of each task in the order of time."""
        lines: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for line in self.effects:
            if line.id:
                lines[line.id, line.who].append(line)
        runs: dict[str, list[Run]] = defaultdict(list)
        for (task_id, who), told in lines.items():
            runs[task_id].extend(self._runs_of(who, told))
        return {task_id: sorted(found, key=lambda run: run.at) for task_id, found in runs.items()}

    def _runs_of(self, who: str, lines: Sequence[Line]) -> Iterator[Run]:
        for start in (line for line in lines if line.what == "start"):
            (attempt,) = start.words
            same = {line.what: line.at for line in lines if line.words == (attempt,)}
            # A failed attempt is over when it has raised: the next one may begin before we hear of it.
            over = same.get("finished") or same.get("raised")
            death = self.died.get(who)
            if over is None and death is not None:
                over = death.at
            ended = "end" in same or "raised" in same
            told = "finished" in same or "retried" in same
            yield Run(start.id, who, int(attempt), start.at, over, ended, told)


def broken(history: History) -> list[str]:
    """What must not be, each in a sentence."""
    runs = history.runs()
    rules = (
        _lost(history), _unended(history), _doubled(history), _wrong_result(history, runs),
        _too_often(history, runs), _overlapping(runs), _after_the_end(history, runs),
        _cancelled_but_ran(history, runs), _early(history, runs), _out_of_order(history), _gave_up(history),
    )  # fmt: skip
    return [sentence for rule in rules for sentence in rule]


def _lost(history: History) -> Iterator[str]:
    known = {row.id for row in history.rows}
    for line in history.acked():
        if line.id not in known:
            yield f"lost: {line.id} was acknowledged and is not in the store"


def _unended(history: History) -> Iterator[str]:
    for row in history.rows:
        if not row.is_ended:
            yield f"not ended: {row.id} is {row.status} after the drain"


def _doubled(history: History) -> Iterator[str]:
    told = Counter(line.id for line in history.effects if line.what == "finished")
    for task_id, times in told.items():
        if times > 1:
            yield f"doubled outcome: {task_id} was finished {times} times"
    for task_id, times in Counter(row.id for row in history.rows).items():
        if times > 1:
            yield f"doubled task: the store has {task_id} {times} times"


def _wrong_result(history: History, runs: dict[str, list[Run]]) -> Iterator[str]:
    for row in history.rows:
        ended = {f"{run.who} {run.attempt}" for run in runs.get(row.id, ()) if run.ended}
        if row.status == "completed" and row.result is not None and row.result not in ended:
            yield f"wrong result: {row.id} has {row.result!r}, but those that ended are {sorted(ended)}"
        if row.status == "completed" and not ended:
            yield f"completed without having ended: {row.id}"


def _too_often(history: History, runs: dict[str, list[Run]]) -> Iterator[str]:
    kinds = {line.id: line.words[0] for line in history.acked()}
    for task_id, found in runs.items():
        most = DELIVERIES * (1 + RETRIES.get(kinds.get(task_id, ""), 0))
        if len(found) > most:
            yield f"started too often: {task_id} {len(found)} times, {most} at most"


def _overlapping(runs: dict[str, list[Run]]) -> Iterator[str]:
    for task_id, found in runs.items():
        for number, later in enumerate(found):
            for earlier in found[:number]:
                if earlier.over is None or later.at < earlier.over:
                    yield (
                        f"run twice at once: {task_id} by {earlier.who} (attempt {earlier.attempt}) and, "
                        f"{(later.at - earlier.at) / SECOND:.3f} s later, by {later.who} "
                        f"(attempt {later.attempt}) while the first was alive"
                    )


def _after_the_end(history: History, runs: dict[str, list[Run]]) -> Iterator[str]:
    finished = {line.id: line.at for line in history.effects if line.what == "finished"}
    for task_id, at in finished.items():
        for run in runs.get(task_id, ()):
            if run.at > at:
                yield f"run after its outcome: {task_id} by {run.who}"
    for row in history.rows:
        found = runs.get(row.id, [])
        if row.result is not None and found and f"{found[-1].who} {found[-1].attempt}" != row.result:
            yield f"run after its outcome: {row.id} has that of {row.result!r}, last run by {found[-1].who}"


def _cancelled_but_ran(history: History, runs: dict[str, list[Run]]) -> Iterator[str]:
    kept = {row.id: row.status for row in history.rows}
    for line in history.acks:
        if line.what != "cancelled":
            continue
        if line.id in runs:
            yield f"cancelled while waiting, but run: {line.id} by {runs[line.id][0].who}"
        if kept.get(line.id, "cancelled") != "cancelled":
            yield f"cancelled, but kept as {kept[line.id]}: {line.id}"


def _early(history: History, runs: dict[str, list[Run]]) -> Iterator[str]:
    for line in history.acked():
        _, delay = line.words
        for run in runs.get(line.id, ())[:1]:
            early = history.called[line.id] + float(delay) * SECOND - run.at
            if early > 0:
                yield f"early: {line.id} by {early / SECOND:.3f} s"


def _out_of_order(history: History) -> Iterator[str]:
    place = {row.id: number for number, row in enumerate(history.rows)}
    before: dict[str, str] = {}
    for line in history.acked():
        producer = line.id.split(":")[0]
        last = before.get(producer)
        if last is not None and place.get(last, -1) > place.get(line.id, len(place)):
            yield f"out of order: {line.id} is kept before {last}"
        before[producer] = line.id


def _gave_up(history: History) -> Iterator[str]:
    for row in history.rows:
        if row.status != "failed":
            continue
        called = history.called.get(row.id, 0)
        deaths = sum(death.role == WORKER and death.at > called for death in history.deaths)
        if "lost" not in (row.error or "lost"):
            yield f"failed: {row.id} with {row.error}"
        elif deaths < DELIVERIES:
            yield f"given up too soon: {row.id} failed after {deaths} deaths of workers"


def recoveries(history: History, orphans: Iterable[tuple[str, int]] = ()) -> list[float]:
    """Seconds from the death of a worker (or, where none was left, from when the next was up) until its
    task was started again. `orphans`: (id, moment of death) of tasks that were claimed but not begun."""
    waits = []
    lives = _lives(history)
    runs = history.runs()
    for found in runs.values():
        for before, after in pairwise(found):
            if before.who in history.died and not before.told:
                waits.append(_since(history.died[before.who].at, after.at, lives))
    for task_id, died_at in dict(orphans).items():
        found = runs.get(task_id, [])
        started = [run.at for run in found if run.at > died_at]
        # One that the dead worker had begun has been looked at above.
        if started and not any(run.over == died_at for run in found):
            waits.append(_since(died_at, started[0], lives))
    return waits


def _lives(history: History) -> list[tuple[int, float]]:
    """From when until when each worker was at work."""
    up = {line.who: line.at for line in history.effects if line.what == "up"}
    down = {line.who: line.at for line in history.effects if line.what == "down"}
    ends = {**down, **{who: death.at for who, death in history.died.items()}}
    return [(at, ends.get(who, float("inf"))) for who, at in up.items()]


def _since(died_at: int, started_at: int, lives: Sequence[tuple[int, float]]) -> float:
    """How long a task waited although there was a worker for it."""
    at_hand = [up for up, end in lives if up <= started_at <= end]
    return (started_at - max(died_at, min(at_hand, default=died_at))) / SECOND
