"""Tasks in a Django project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integrations.conftest import Start
from tests.journeys.running import GUNICORN, write

PROJECT = {
    "app.py": """
        import os

        import django
        from django.conf import settings

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
        from django.core.wsgi import get_wsgi_application

        app = get_wsgi_application()
    """,
    "manage.py": """
        import os
        import sys

        from django.core.management import execute_from_command_line

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
        execute_from_command_line(sys.argv)
    """,
    "settings.py": """
        import os

        SECRET_KEY = "only for this test"
        ALLOWED_HOSTS = ["127.0.0.1"]
        INSTALLED_APPS = ["hypern.integrations.django", "shop"]
        ROOT_URLCONF = "shop.urls"
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}}
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        USE_TZ = True
        HYPERN = {
            "task_store": os.environ.get("STORE", "sqlite:///tasks.db"),
            "task_workers": int(os.environ.get("WORKERS", "0")),
        }
    """,
    "shop/__init__.py": "",
    "shop/models.py": """
        from django.db import models

        class Order(models.Model):
            board = models.CharField(max_length=20)
            length = models.IntegerField(default=0)

            class Meta:
                app_label = "shop"
    """,
    "shop/tasks.py": """
        from django.db import connection
        from shop.models import Order

        from hypern import background

        @background()
        def measure(order: int) -> int:
            found = Order.objects.get(pk=order)
            found.length = len(found.board)
            found.save()
            return found.length

        @background()
        def connections() -> int:
            return id(connection.connection)
    """,
    "shop/urls.py": """
        from django.db import transaction
        from django.http import JsonResponse
        from django.urls import path
        from shop.models import Order
        from shop.tasks import measure

        import hypern

        def create(request, board):
            submitted = []
            try:
                with transaction.atomic():
                    order = Order.objects.create(board=board)
                    transaction.on_commit(lambda: submitted.append(measure(order.pk)))
                    if board == "rotten":
                        raise ValueError(board)
            except ValueError:
                pass
            return JsonResponse({"task_ids": submitted, "order": order.pk})

        def look(request, task_id):
            task = hypern.get_task(task_id)
            return JsonResponse({"status": task.status, "result": task.result})

        def length(request, order):
            return JsonResponse({"length": Order.objects.get(pk=order).length})

        urlpatterns = [
            path("orders/<str:board>", create),
            path("tasks/<str:task_id>", look),
            path("lengths/<int:order>", length),
        ]
    """,
}
WORKER = [sys.executable, "manage.py", "hypern_worker", "--concurrency", "2"]


def manage(directory: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def migrate(directory: Path) -> None:
    for command in (["migrate", "--run-syncdb", "-v", "0"], ["check", "--fail-level", "WARNING"]):
        ran = manage(directory, *command)
        assert ran.returncode == 0, ran.stderr


def test_web_processes_and_a_worker(start: Start) -> None:
    """Views submit after the commit and not after a rollback; `manage.py hypern_worker`, killed and started
    again, runs the tasks against the project's models."""
    with start(PROJECT, [*GUNICORN, "--workers", "2"]) as program:
        directory = program.directory
        migrate(directory)
        assert program.get("/orders/rotten")["task_ids"] == []
        order = program.get("/orders/oak")
        with subprocess.Popen(WORKER, cwd=directory, stdout=subprocess.PIPE, text=True) as worker:
            try:
                assert worker.stdout is not None
                assert "with 2 threads" in worker.stdout.readline()
                assert program.ended(f"/tasks/{order['task_ids'][0]}")["result"] == 3
                assert program.get(f"/lengths/{order['order']}") == {"length": 3}
            finally:
                worker.send_signal(signal.SIGKILL)
        later = program.get("/orders/maple")["task_ids"][0]
        with subprocess.Popen(WORKER, cwd=directory, stdout=subprocess.DEVNULL) as worker:
            try:
                assert program.ended(f"/tasks/{later}")["result"] == 5
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(20) == 0
            finally:
                worker.kill()


def test_in_the_web_process(start: Start) -> None:
    """memory:// needs nothing but the app in INSTALLED_APPS."""
    environment = {"STORE": "memory://", "WORKERS": "2"}
    with start(PROJECT, [*GUNICORN, "--threads", "2"], environment=environment) as program:
        migrate(program.directory)
        task_id = program.get("/orders/birch")["task_ids"][0]
        assert program.ended(f"/tasks/{task_id}")["result"] == 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{'task_stor': 'memory://'}", "task_stor"),
        ("'memory://'", "is a dict"),
        ("{'task_workers': -1}", "-1"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, given: str, said: str) -> None:
    """The project does not start, and says why."""
    write(tmp_path, PROJECT)
    with (tmp_path / "settings.py").open("a") as settings:
        settings.write(f"\nHYPERN = {given}\n")
    ran = manage(tmp_path, "check")
    assert ran.returncode != 0
    assert said in ran.stderr.splitlines()[-1]


def test_a_worker_of_a_store_in_memory(tmp_path: Path) -> None:
    """hypern_worker says that it would never see a task."""
    write(tmp_path, PROJECT)
    ran = manage(tmp_path, "hypern_worker", STORE="memory://", WORKERS="1")
    assert ran.returncode == 1
    assert "sqlite:///tasks.db" in ran.stderr
