"""`hypern queues`: how they are doing; pause, resume, limit one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from hypern.cli.arguments import Commands, at_least
from hypern.cli.looking import add_json, add_store, looking, wants_json
from hypern.cli.output import say, say_json, screen_columns, table, tell
from hypern.stores.base import QueueState
from hypern.stores.overview import QueueTotals
from hypern.tasks.engine import Engine
from hypern.tasks.queues import limit_queue_of, pause_queue_of

HEADINGS = (
    "QUEUE", "STATE", "LIMIT", "WAITING", "DELAYED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED",
    "FORGOTTEN",
)  # fmt: skip


def add(commands: Commands) -> None:
    """The arguments of its verbs."""
    command = commands.add_parser(
        "queues", help="see how the queues are doing; pause, resume, limit one", allow_abbrev=False
    )
    add_store(command)
    add_json(command)
    command.set_defaults(do=show)
    verbs = command.add_subparsers(dest="verb", metavar="VERB")
    _verb(verbs, "pause", _paused(True), "start no further task of a queue; what runs goes on")
    _verb(verbs, "resume", _paused(False), "start the tasks of a queue again")
    limiting = _verb(verbs, "limit", limit, "set how many tasks of a queue may run at once")
    limiting.add_argument("limit", type=_limit, metavar="N", help="1 or more, or none")


def _verb(
    verbs: Commands, name: str, do: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    add_store(verb)
    verb.add_argument("name", metavar="QUEUE")
    verb.set_defaults(do=do)
    return verb


def _limit(text: str) -> int | None:
    return None if text == "none" else at_least(1)(text)


def show(given: argparse.Namespace) -> None:
    """One line a queue."""
    with looking(given) as engine:
        queues = all_queues(engine)
    if wants_json(given):
        say_json({"queues": [as_data(*queue) for queue in queues]})
    elif not queues:
        tell("no queues")
    else:
        for line in table(HEADINGS, [row(*queue) for queue in queues], screen_columns()):
            say(line)


def all_queues(engine: Engine) -> list[tuple[QueueTotals, QueueState]]:
    """Every queue that is known, by name: its numbers, and what is set for it."""
    totals = {queue.queue: queue for queue in engine.store.totals()}
    states = {queue.name: queue for queue in engine.store.queues()}
    return [
        (totals.get(name, QueueTotals(name)), states.get(name, QueueState(name, False, None, 0, 0, 0)))
        for name in sorted({*totals, *states})
    ]


def row(totals: QueueTotals, state: QueueState) -> tuple[object, ...]:
    """A queue in one line of a table with these `HEADINGS`."""
    return (
        totals.queue,
        "paused" if state.paused else "open",
        state.limit,
        f"{totals.waiting:,}",
        f"{totals.delayed:,}",
        f"{totals.running:,}",
        f"{totals.completed:,}",
        f"{totals.failed:,}",
        f"{totals.cancelled:,}",
        f"{totals.pruned:,}",
    )


def as_data(totals: QueueTotals, state: QueueState) -> dict[str, Any]:
    return {
        "name": totals.queue,
        "paused": state.paused,
        "limit": state.limit,
        "submitted": totals.submitted,
        "waiting": totals.waiting,
        "delayed": totals.delayed,
        "running": totals.running,
        "completed": totals.completed,
        "failed": totals.failed,
        "cancelled": totals.cancelled,
        "forgotten": totals.pruned,
    }


def _paused(paused: bool) -> Callable[[argparse.Namespace], None]:
    def do(given: argparse.Namespace) -> None:
        with looking(given) as engine:
            _mention_unknown(engine, given.name)
            pause_queue_of(engine, given.name, paused)
        say(f"queue {given.name} is {'paused' if paused else 'open'}")

    return do


def limit(given: argparse.Namespace) -> None:
    """Let so many run at once, or any number."""
    with looking(given) as engine:
        _mention_unknown(engine, given.name)
        limit_queue_of(engine, given.name, given.limit)
    many = "any number" if given.limit is None else f"at most {given.limit:,}"
    say(f"queue {given.name} runs {many} at once")


def _mention_unknown(engine: Engine, name: str) -> None:
    """A name may be misspelt; or it may be that of a queue that is still to come."""
    known = [totals.queue for totals, _ in all_queues(engine)]
    if name not in known:
        tell(f"no task of a queue {name!r:.80} has been submitted so far")
