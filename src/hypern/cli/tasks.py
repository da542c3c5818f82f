"""`hypern tasks`: list and show tasks, repeat, cancel, hasten and forget them, check the waiting ones."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import msgspec

from hypern.cli import described
from hypern.cli.arguments import Commands, at_least
from hypern.cli.checking import add_check
from hypern.cli.looking import add_filters, add_json, add_store, filter_of, looking, wants_json
from hypern.cli.output import confirm, counted, progress, say, say_json, screen_columns, table, tell
from hypern.errors import ConfigurationError, HypernError
from hypern.records import TaskRecord, TaskStatus
from hypern.stores.overview import Filter
from hypern.tasks.engine import Engine
from hypern.tasks.filters import ENDED, NOT_ENDED, TaskFilter, to_filter
from hypern.tasks.ids import is_possible_id
from hypern.tasks.steering import (
    Told,
    cancel_all_in,
    delete_all_in,
    delete_in,
    retry_all_in,
    retry_in,
    run_now_in,
)

_NOT_FOUND = 1
# So far it is counted how many tasks are meant before asking.
_COUNTED = 200_000


def add(commands: Commands) -> None:
    """The arguments of its verbs."""
    command = commands.add_parser("tasks", help="look at tasks, and steer them", allow_abbrev=False)
    add_store(command)
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")

    listing = _verb(verbs, "list", list_tasks, "list the last submitted ones")
    add_filters(listing)
    listing.add_argument(
        "--limit", type=at_least(1), default=50, metavar="N", help="how many at most (%(default)s)"
    )
    listing.add_argument("--after", metavar="CURSOR", help="go on after an earlier page")

    showing = _verb(verbs, "show", show, "show all there is of a task")
    showing.add_argument("id", metavar="ID")
    showing.add_argument(
        "--args",
        action="store_true",
        help="also its arguments and result, but for what is secret by its name",
    )

    for steer in _STEERS:
        steering = _verb(verbs, steer.verb, _steering(steer), steer.help)
        steering.add_argument("ids", nargs="*" if steer.many else "+", metavar="ID", help="these tasks")
        if steer.many:
            add_filters(steering)
            steering.add_argument(
                "--all", action="store_true", help="all that can be, where nothing narrows it"
            )
            steering.add_argument("--yes", action="store_true", help="do not ask")
    add_check(verbs)


def _verb(
    verbs: Commands, name: str, do: Callable[[argparse.Namespace], int | None], text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
    add_store(verb)
    add_json(verb)
    verb.set_defaults(do=do)
    return verb


def list_tasks(given: argparse.Namespace) -> None:
    """One line a task."""
    with looking(given) as engine:
        found, after = _some(engine, to_filter(filter_of(given)), given.after, given.limit)
        if wants_json(given):
            say_json({"tasks": [described.as_data(engine, record) for record in found], "after": after})
            return
        if not found:
            tell("no tasks")
        else:
            rows = [described.row(engine, record) for record in found]
            for line in table(described.HEADINGS, rows, screen_columns()):
                say(line)
        if after is not None:
            tell(f"there are more: --after {after}")


def _some(
    engine: Engine, which: Filter, after: str | None, limit: int
) -> tuple[list[TaskRecord], str | None]:
    """So many of the tasks that are meant, and what to go on with."""
    found: list[TaskRecord] = []
    with progress() as shown:
        while True:
            page = engine.store.page(which, after, limit - len(found))
            found += page.records
            after = page.after
            shown.at(len(found))
            if after is None or len(found) >= limit:
                return found, after


def show(given: argparse.Namespace) -> int:
    """All there is of one task."""
    with looking(given) as engine:
        record = engine.store.get(given.id) if is_possible_id(given.id) else None
        if record is None:
            tell(f"hypern: no task {given.id!r:.140} is kept in this store.")
            return _NOT_FOUND
        lines = engine.store.logs(given.id)
        if wants_json(given):
            say_json(described.all_data(engine, record, lines, given.args))
            return 0
        for line in described.all_lines(engine, record, lines, given.args):
            say(line)
    return 0


class _Steer(msgspec.Struct, frozen=True):
    """`one` and `many` do it; `one` answers with an id, or None where it cannot be done. `asks`: also where
    the ids are given, as it cannot be undone."""

    verb: str
    done: str
    cannot: str
    help: str
    one: Callable[[Engine, str], str | None]
    many: Callable[[Engine, TaskFilter, Told], int] | None = None
    allowed: tuple[TaskStatus, ...] = ()
    usual: tuple[TaskStatus, ...] | None = None
    asks: bool = False


_STEERS = (
    _Steer(
        "retry",
        "submitted once more",
        "has not ended, or is not known",
        "submit ended tasks once more, the failed ones unless --status says so",
        retry_in,
        retry_all_in,
        ENDED,
        (TaskStatus.FAILED,),
    ),
    _Steer(
        "cancel",
        "cancelled, or asked to stop",
        "has ended, or is not known",
        "cancel waiting tasks, ask running ones to stop",
        lambda engine, task_id: task_id if engine.cancel(task_id) else None,
        cancel_all_in,
        NOT_ENDED,
    ),
    _Steer(
        "run",
        "waiting for a worker now",
        "is not delayed, or not known",
        "let delayed tasks wait no longer",
        lambda engine, task_id: task_id if run_now_in(engine, task_id) else None,
    ),
    _Steer(
        "purge",
        "forgotten",
        "has not ended, or is not known",
        "forget ended tasks",
        lambda engine, task_id: task_id if delete_in(engine, task_id) else None,
        delete_all_in,
        ENDED,
        asks=True,
    ),
)


def _steering(steer: _Steer) -> Callable[[argparse.Namespace], int]:
    def do(given: argparse.Namespace) -> int:
        if steer.many is None:
            return _these(steer, given)
        which = filter_of(given)
        if given.ids and (which or given.all):
            raise ConfigurationError(
                "name the tasks by their ids, or say what they have in common; not both."
            )
        if given.ids:
            return _these(steer, given)
        if not which and not given.all:
            raise ConfigurationError(
                f"say which tasks: ids, a filter such as --name NAME, or --all ({steer.help})."
            )
        return _those(steer, which, given)

    return do


def _these(steer: _Steer, given: argparse.Namespace) -> int:
    """Do it to the tasks with these ids. 1 if that was not possible for one of them."""
    ids = list(dict.fromkeys(given.ids))
    with looking(given) as engine:
        if steer.asks:
            confirm(f"{steer.verb} {counted(len(ids), 'task', 'tasks')}?", given.yes)
        with progress(len(ids)) as shown:
            answers = dict(_one_by_one(steer, engine, ids, shown.at))
    if wants_json(given):
        say_json({"tasks": [{"id": task_id, steer.verb: answer} for task_id, answer in answers.items()]})
    else:
        for task_id, answer in answers.items():
            if answer is None:
                tell(f"hypern: {task_id!r:.140} {steer.cannot}.")
            else:
                say(answer)
    return _NOT_FOUND if None in answers.values() else 0


def _one_by_one(
    steer: _Steer, engine: Engine, ids: list[str], told: Told
) -> Iterator[tuple[str, str | None]]:
    for number, task_id in enumerate(ids):
        told(number)
        yield task_id, steer.one(engine, task_id)


def _those(steer: _Steer, which: TaskFilter, given: argparse.Namespace) -> int:
    """Do it to all tasks that are meant, after saying how many there are."""
    assert steer.many is not None
    with looking(given) as engine:
        found = engine.store.number(to_filter(which, steer.allowed, steer.usual), _COUNTED)
        at_least_so_many = "" if found.is_all else "at least "
        if found.number or not found.is_all:
            confirm(f"{steer.verb} {at_least_so_many}{counted(found.number, 'task', 'tasks')}?", given.yes)
        so_far = _SoFar()
        try:
            with progress(found.number if found.is_all else None) as shown:
                done = steer.many(engine, which, so_far.telling(shown.at))
        except (KeyboardInterrupt, HypernError):
            tell(f"hypern: {counted(so_far.number, 'task', 'tasks')} {steer.done} before it ended early.")
            raise
    if wants_json(given):
        say_json({"number": done})
    else:
        say(f"{counted(done, 'task', 'tasks')} {steer.done}")
    return 0


class _SoFar:
    """How many it has been."""

    number = 0

    def telling(self, told: Told) -> Told:
        def tell_both(number: int) -> None:
            self.number = number
            told(number)

        return tell_both
