"""What is done to whom in which cycle: settled by the seed alone."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from crash import phases
from crash.fleet import PRODUCER, WORKER

WORKERS = ("worker0", "worker1")
PRODUCERS = ("producer0", "producer1")
ROLES = {**dict.fromkeys(WORKERS, WORKER), **dict.fromkeys(PRODUCERS, PRODUCER)}
# The longest time that processes are left alone before some are killed (seconds).
CALM = 0.6


@dataclass(frozen=True, slots=True)
class Plan:
    """One cycle. `victims`: the slots to kill; `point`: where the first of them kills itself, or empty;
    `calm`: seconds before a kill from outside; `look_first`: look at the store before restarting;
    `is_stop`: the victim is stopped for a while (SIGSTOP) instead of killed; `is_restart`: nobody is
    killed but the server of the store."""

    victims: tuple[str, ...]
    point: str
    calm: float
    look_first: bool
    is_stop: bool = False
    is_restart: bool = False


STOPPED = "stopped"
# One of each; the plan of a run goes through them in random order, and then again.
KINDS = (
    "worker", "worker", "workers", "all", "producer", STOPPED,
    *phases.WORKER_POINTS, phases.RESCUE_POINT,
    *(f"{role} {point}" for role in (WORKER, PRODUCER) for point in phases.COMMIT_POINTS),
)  # fmt: skip


# As often as all these together, where there is a server.
RESTART = "server"


def plans(seed: int, *, has_server: bool = False) -> Iterator[Plan]:
    """One cycle after the other, without end; the same ones for the same seed."""
    chance = random.Random(seed)
    kinds = (*KINDS, *(RESTART,) * len(KINDS)) if has_server else KINDS
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Plan(
                _victims(kind, chance),
                _point(kind, chance),
                chance.uniform(0.0, CALM),
                chance.random() < 0.5,
                kind == STOPPED,
                kind == RESTART,
            )


def _victims(kind: str, chance: random.Random) -> tuple[str, ...]:
    match kind:
        case "server":
            return ()
        case "workers":
            return WORKERS
        case "all":
            return (*WORKERS, *PRODUCERS)
    return (chance.choice(PRODUCERS if kind.startswith(PRODUCER) else WORKERS),)


def _point(kind: str, chance: random.Random) -> str:
    name = kind.split()[-1]
    if name in (*phases.WORKER_POINTS, *phases.COMMIT_POINTS):
        return f"{name}:{chance.randint(1, 12)}"
    return f"{name}:1" if name == phases.RESCUE_POINT else ""
