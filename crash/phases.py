"""Where a process was on the way of a task when it died."""

from collections.abc import Sequence

from crash.fleet import WORKER, Death
from crash.journal import Line

# The named points at which a process may be told to kill itself, by what it was about.
CLAIM_POINTS = ("claimed", "started")
FINISH_POINTS = ("effect-done", "recorded")
WORKER_POINTS = (*CLAIM_POINTS, *FINISH_POINTS)
# Whatever is written is committed between these two: a new task, a claim, an outcome.
COMMIT_POINTS = ("before-commit", "after-commit")
RESCUE_POINT = "rescued"

CLAIMING, RUNNING, FINISHING, BETWEEN = "claiming", "running", "finishing", "between tasks"
# What a death at a system call has for its point.
SYSTEM_CALL = "system call"
SUBMITTING, STARTING = "submitting", "starting up"


def phase(death: Death, lines: Sequence[Line]) -> str:
    """The named point at which it killed itself, or what the lines of this incarnation tell."""
    name = death.point.partition(":")[0]
    if name in (*WORKER_POINTS, RESCUE_POINT):
        return f"point {name}"
    where = _worker_phase(lines) if death.role == WORKER else _producer_phase(lines)
    if name in COMMIT_POINTS:
        name = f"point {name} of a {death.role}"
    return f"{name}, {where}" if name else where


def is_claim(phase: str) -> bool:
    """Whether this death fell between taking a task and its first instruction."""
    # What a worker writes to the store between two tasks are its claims.
    return phase.endswith(CLAIMING) or phase in {
        *(f"point {name}" for name in CLAIM_POINTS),
        f"{SYSTEM_CALL}, {BETWEEN}",
    }


def is_finish(phase: str) -> bool:
    """Whether this death fell between a task's last instruction and the report of its outcome."""
    return phase.endswith(FINISHING) or phase in {f"point {name}" for name in FINISH_POINTS}


def is_submit(phase: str) -> bool:
    """Whether this death fell into a call of submit."""
    return phase.endswith(SUBMITTING)


def is_work(phase: str) -> bool:
    """Whether this death fell into a claim or a finish."""
    return is_claim(phase) or is_finish(phase)


def _worker_phase(lines: Sequence[Line]) -> str:
    reached: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for line in lines:
        if line.id:
            reached.setdefault((line.id, line.words), set()).add(line.what)
    states = list(reached.values())
    if any(state & {"end", "raised"} and not state & {"finished", "retried"} for state in states):
        return FINISHING
    if any("start" not in state for state in states):
        return CLAIMING
    if any(not state & {"end", "raised"} for state in states):
        return RUNNING
    return BETWEEN if any(line.what == "up" for line in lines) else STARTING


def _producer_phase(lines: Sequence[Line]) -> str:
    acked = {line.id for line in lines if line.what == "acked"}
    if any(line.what == "calling" and line.id not in acked for line in lines):
        return SUBMITTING
    return BETWEEN if any(line.what == "up" for line in lines) else STARTING
