"""`hypern run` and `hypern worker`: serve an app, run its tasks."""

from __future__ import annotations

import argparse
from pathlib import Path

from hypern.app import Hypern
from hypern.cli.arguments import APP, Commands, at_least, names
from hypern.cli.locate import locate, locate_tasks
from hypern.cli.output import say
from hypern.errors import ConfigurationError
from hypern.http.listening import Listening
from hypern.http.several import supervisor
from hypern.processes.child import this_child
from hypern.processes.watch import Watch
from hypern.tasks.engine import Engine
from hypern.tasks.standalone import run_worker


def add(commands: Commands) -> None:
    """The arguments of both."""
    _add_run(commands.add_parser("run", help="serve an app", allow_abbrev=False))
    _add_worker(
        commands.add_parser("worker", help="run the tasks of an app, and serve nothing", allow_abbrev=False)
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    command.set_defaults(do=run)
    command.add_argument("app", metavar="APP", help=APP)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    command.add_argument(
        "--port", type=int, default=3000, help="port to listen on (%(default)s); 0: a free one"
    )
    command.add_argument(
        "--workers",
        type=at_least(1),
        default=1,
        metavar="N",
        help="processes that serve (%(default)s); several need a task store that they share",
    )
    command.add_argument(
        "--task-processes",
        type=at_least(0),
        default=0,
        metavar="N",
        help="processes that run the tasks, so that those that serve run none (%(default)s: they run them)",
    )
    command.add_argument(
        "--reload", action="store_true", help="start anew when a *.py file below this directory changes"
    )
    command.add_argument("--ssl-cert", metavar="FILE", help="certificate, to serve https")
    command.add_argument("--ssl-key", metavar="FILE", help="key of the certificate")


def _add_worker(command: argparse.ArgumentParser) -> None:
    command.set_defaults(do=worker)
    command.add_argument(
        "app", metavar="APP", help=f"{APP}. A module without an app will do if it declares tasks"
    )
    command.add_argument(
        "--queues", type=names, metavar="A,B", help="run only tasks of these queues (all of them)"
    )
    command.add_argument(
        "--concurrency",
        type=at_least(1),
        metavar="N",
        help="threads for plain functions (the app's task_workers)",
    )


def run(given: argparse.Namespace) -> None:
    """Serve, or see to it that children serve: those run this same command, and get to the app."""
    several = given.workers > 1 or given.task_processes or given.reload
    if several and this_child is None:
        _supervise(given)
        return
    app = locate(given.app)
    where = {"port": given.port, "host": given.host, "ssl_cert": given.ssl_cert, "ssl_key": given.ssl_key}
    if isinstance(app, Hypern):
        app.listen(**where, workers=given.workers, task_processes=given.task_processes)
    elif given.task_processes:
        raise ConfigurationError(f"{given.app} is a WebApp and has no tasks: leave out --task-processes.")
    else:
        app.listen(**where, workers=given.workers)


def _supervise(given: argparse.Namespace) -> None:
    """The app is not imported here, so what it may do wrong, or keep open, does not concern the parent."""
    listening = Listening(given.host, given.port, ssl_cert=given.ssl_cert, ssl_key=given.ssl_key)
    watch = Watch(Path.cwd()) if given.reload else None
    supervisor(listening, given.workers, given.task_processes, watch=watch).run()


def worker(given: argparse.Namespace) -> None:
    """Run the tasks of an app, or of a module, until told to stop."""
    app = locate_tasks(given.app)

    def started(engine: Engine) -> None:
        say(_works_on(engine, given.app))

    if app is None:
        run_worker(given.concurrency, given.queues, started)
    elif isinstance(app, Hypern):
        app.run_tasks(workers=given.concurrency, queues=given.queues, on_started=lambda: started(app.engine))
    else:
        raise ConfigurationError(f"{given.app} is a {type(app).__name__} and has no tasks.")
    say("Hypern worker stopped")


def _works_on(engine: Engine, name: str) -> str:
    settings = engine.settings
    queues = "all queues" if settings.task_queues is None else f"queues {', '.join(settings.task_queues)}"
    threads = f"{settings.task_workers} thread{'' if settings.task_workers == 1 else 's'}"
    return f"Hypern worker runs the tasks of {name}: {queues}, {threads}"
