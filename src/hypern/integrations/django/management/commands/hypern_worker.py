"""`manage.py hypern_worker`: run the project's background tasks, and serve nothing."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import autodiscover_modules

from hypern.errors import HypernError
from hypern.tasks.engine import Engine
from hypern.tasks.standalone import run_worker


class Command(BaseCommand):  # type: ignore[misc]  # Django comes without types
    help = "Run background tasks until told to stop."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--concurrency", type=int, help="threads for plain functions")
        parser.add_argument("--queues", help="run only tasks of these queues: mail,reports")

    def handle(self, *args: Any, concurrency: int | None, queues: str | None, **options: Any) -> None:
        # Tasks that recur are known once their modules are.
        autodiscover_modules("tasks")
        chosen = None if queues is None else tuple(name.strip() for name in queues.split(","))
        try:
            run_worker(concurrency, chosen, self._started)
        except HypernError as error:
            raise CommandError(str(error)) from None

    def _started(self, engine: Engine) -> None:
        self.stdout.write(f"Hypern runs tasks with {engine.settings.task_workers} threads")
        self.stdout.flush()
