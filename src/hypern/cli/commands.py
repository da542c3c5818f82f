"""What the commands do."""

from __future__ import annotations

import argparse
from pathlib import Path

from hypern.app import Hypern
from hypern.cli.locate import locate, locate_tasks
from hypern.errors import ConfigurationError
from hypern.http.listening import Listening
from hypern.http.several import supervisor
from hypern.processes.child import this_child
from hypern.processes.watch import Watch
from hypern.tasks.engine import Engine
from hypern.tasks.standalone import run_worker


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
        _say(_works_on(engine, given.app))

    if app is None:
        run_worker(given.concurrency, given.queues, started)
    elif isinstance(app, Hypern):
        app.run_tasks(workers=given.concurrency, queues=given.queues, on_started=lambda: started(app.engine))
    else:
        raise ConfigurationError(f"{given.app} is a {type(app).__name__} and has no tasks.")
    _say("Hypern worker stopped")


def _works_on(engine: Engine, name: str) -> str:
    settings = engine.settings
    queues = "all queues" if settings.task_queues is None else f"queues {', '.join(settings.task_queues)}"
    threads = f"{settings.task_workers} thread{'' if settings.task_workers == 1 else 's'}"
    return f"Hypern worker runs the tasks of {name}: {queues}, {threads}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
