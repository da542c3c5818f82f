"""A large program in packages, and the move to it from one whose tasks hang on the app."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.running import APP, Program, write

Serve = Callable[..., Program]

NURSERY = {
    "config.py": """
        import os

        PORT = int(os.environ["PORT"])
        WORKERS = 8
        QUEUE = 2000
    """,
    "models/purchase.py": """
        import itertools

        _numbers = itertools.count(1)


        class Purchase:
            def __init__(self, buyer, plants):
                self.id = f"p-{next(_numbers)}"
                self.buyer = buyer
                self.plants = plants
                self.mail = f"{buyer}@garden.example"

            @classmethod
            def create(cls, buyer, plants):
                return cls(buyer, plants)

            def to_dict(self):
                return {"id": self.id, "buyer": self.buyer, "plants": self.plants}
    """,
    "models/gardener.py": """
        from dataclasses import dataclass


        @dataclass
        class Gardener:
            name: str
    """,
    "tasks/mail_tasks.py": """
        '''Letters about purchases.'''
        from hypern import background
        import smtplib


        @background()
        def confirm_purchase(purchase_id: str, mail: str):
            print(f"confirmed {purchase_id} to {mail}", flush=True)
            return {"delivered": smtplib.SMTP.__name__ == "SMTP", "purchase": purchase_id}


        @background(delay_seconds=3600)
        def send_almanac(readers: list):
            sent = 0
            for _ in readers:
                sent += 1
            return {"sent": sent}
    """,
    "tasks/ledger_tasks.py": """
        from hypern import background


        @background(delay_seconds=7200)
        def add_up():
            return 0


        @background(delay_seconds=86400)
        def burn_old_papers():
            pass
    """,
    "services/purchase_service.py": """
        from tasks.mail_tasks import confirm_purchase
        from models.purchase import Purchase


        def buy(buyer: str, plants: list) -> dict:
            purchase = Purchase.create(buyer=buyer, plants=plants)
            task_id = confirm_purchase(purchase.id, purchase.mail)
            return {"purchase": purchase.to_dict(), "letter": task_id}
    """,
    "services/till_service.py": """
        from hypern import background, submit_task


        @background()
        def charge(purchase_id: str, amount: float):
            return f"{purchase_id}: {amount:.2f}"


        def refund(purchase_id: str):
            return purchase_id


        def settle(purchase_id: str, amount: float):
            return [charge(purchase_id, amount), submit_task(refund, (purchase_id,), delay_seconds=60)]
    """,
    "routes/gardener_routes.py": """
        from hypern import Router
        from models.gardener import Gardener

        router = Router(prefix="/gardeners")


        @router.post("/")
        def hire(req, res, ctx):
            gardener = Gardener(**req.json())
            res.status(201).json({"name": gardener.name})
    """,
    "routes/purchase_routes.py": """
        from hypern import Router
        from services.purchase_service import buy
        from services.till_service import settle
        from tasks.ledger_tasks import add_up, burn_old_papers
        from tasks.mail_tasks import send_almanac

        router = Router(prefix="/purchases")


        @router.post("/")
        def buy_plants(req, res, ctx):
            res.status(201).json(buy(ctx.get("user_id"), req.json()["plants"]))


        @router.post("/:purchase_id/settle")
        def settle_purchase(req, res, ctx):
            res.json(settle(req.param("purchase_id"), req.json()["amount"]))


        @router.post("/season")
        def prepare_season(req, res, ctx):
            res.json([send_almanac(["a", "b"]), add_up(), burn_old_papers()])
    """,
    "routes/task_routes.py": """
        from hypern import Router, get_task

        router = Router(prefix="/tasks")


        @router.get("/:task_id")
        def look(req, res, ctx):
            task_id = req.param("task_id")
            found = get_task(task_id)

            if not found:
                res.status(404).json({"error": "no such task"})
                return

            answer = {"task_id": task_id, "status": found.status.name}
            if found.is_success():
                answer["result"] = found.result
            elif found.is_failed():
                answer["error"] = str(found.error)
            res.json(answer)
    """,
    "routes/trial_routes.py": """
        from hypern import Router
        from services.trial_service import sow

        router = Router(prefix="/trials")


        @router.post("/")
        def start(req, res, ctx):
            res.json({"task_id": sow(req.json())})
    """,
    "services/trial_service.py": """
        from hypern import background
        import logging

        logger = logging.getLogger(__name__)


        def dig(bed: dict):
            return 10 // int(bed["depth"])


        @background()
        def sow(bed: dict):
            try:
                rows = dig(bed)
                logger.info(f"sown: {rows} rows")
                return rows
            except ValueError as e:
                logger.error(f"not a depth: {e}")
                raise
            except Exception as e:
                logger.error(f"the spade broke: {e}")
                raise
    """,
    "app.py": """
        '''Puts the parts together.'''
        import logging

        import config
        from hypern import Hypern
        from routes.gardener_routes import router as gardener_router
        from routes.purchase_routes import router as purchase_router
        from routes.task_routes import router as task_router
        from routes.trial_routes import router as trial_router

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")


        async def who_is_it(req, res, ctx, next):
            ctx.set("user_id", req.header("x-buyer"))
            await next()


        app = Hypern(task_workers=config.WORKERS, task_queue_size=config.QUEUE)
        app.use(who_is_it)
        app.use(gardener_router)
        app.use(purchase_router)
        app.use(task_router)
        app.use(trial_router)

        if __name__ == "__main__":
            app.listen(config.PORT)
    """,
}


def test_a_program_of_many_packages_works_as_one(serve: Serve) -> None:
    """Large structure: route, service, model and task in packages of their own, started as one program."""
    with serve(NURSERY) as nursery:
        answer = nursery.http.post("/purchases", json={"plants": ["fig"]}, headers={"x-buyer": "ann"})
        assert answer.status_code == 201
        assert answer.json()["purchase"] == {"id": "p-1", "buyer": "ann", "plants": ["fig"]}
        letter = nursery.ended(f"/tasks/{answer.json()['letter']}")
        assert letter["result"] == {"delivered": True, "purchase": "p-1"}
        assert "confirmed p-1 to ann@garden.example" in nursery.output
        assert nursery.http.post("/gardeners", json={"name": "Sam"}).json() == {"name": "Sam"}


def test_a_service_charges_without_knowing_the_app(serve: Serve) -> None:
    """Best practice 1: a decorated task and submit_task side by side in a service that imports no app."""
    with serve(NURSERY) as nursery:
        charged, refunded = nursery.http.post("/purchases/p-9/settle", json={"amount": 4}).json()
        assert nursery.ended(f"/tasks/{charged}")["result"] == "p-9: 4.00"
        assert nursery.get(f"/tasks/{refunded}") == {"task_id": refunded, "status": "pending"}


def test_tasks_by_domain_wait_for_hours_and_days(serve: Serve) -> None:
    """Best practice 2: delays of one hour, two hours and a day are pending, and each is named at the end."""
    with serve(NURSERY) as nursery:
        ids = nursery.post("/purchases/season")
        assert {nursery.get(f"/tasks/{task_id}")["status"] for task_id in ids} == {"pending"}
        nursery.stop()
        for task_id, name in zip(
            ids,
            ("mail_tasks:send_almanac", "ledger_tasks:add_up", "ledger_tasks:burn_old_papers"),
            strict=True,
        ):
            assert f"tasks.{name} {task_id} (pending)" in nursery.errors


def test_a_route_of_its_own_tells_states_apart(serve: Serve) -> None:
    """Best practice 3: a result where it succeeded, an error where it failed, 404 where there is none."""
    with serve(NURSERY, failures=1) as nursery:
        good, bad = (nursery.post("/trials", depth=depth)["task_id"] for depth in (5, 0))
        assert nursery.ended(f"/tasks/{good}") == {"task_id": good, "status": "completed", "result": 2}
        assert nursery.ended(f"/tasks/{bad}") == {
            "task_id": bad,
            "status": "failed",
            "error": "ZeroDivisionError: integer division or modulo by zero",
        }
        assert nursery.http.get("/tasks/none-such").status_code == 404


def test_what_a_task_logs_is_in_the_program_s_log(serve: Serve) -> None:
    """Best practice 4: each branch logs through the module's own logger, and the state follows."""
    with serve(NURSERY, failures=2) as nursery:
        for depth, status, line in (
            (2, "completed", "INFO services.trial_service sown: 5 rows"),
            ("deep", "failed", "ERROR services.trial_service not a depth: invalid literal"),
            (0, "failed", "ERROR services.trial_service the spade broke: integer division"),
        ):
            task_id = nursery.post("/trials", depth=depth)["task_id"]
            assert nursery.ended(f"/tasks/{task_id}")["status"] == status
            assert line in nursery.errors


BEFORE = {
    "app.py": """
        import os

        from hypern import Hypern
        from routes.door_routes import router

        app = Hypern()
        app.use(router)


        @app.background()
        def ring(house: str, how: str):
            pass
    """,
    "routes/door_routes.py": """
        from hypern import Router
        from app import app
        from app import ring

        router = Router()
    """,
}
AFTER = {
    "tasks/bell_tasks.py": """
        from hypern import background


        @background()
        def ring(house: str, how: str):
            print(f"rang at {house}: {how}", flush=True)
    """,
    "routes/door_routes.py": """
        from hypern import Router
        from tasks.bell_tasks import ring

        router = Router(ROUTER)


        @router.post("PATH")
        def knock(req, res, ctx):
            ring("number 9", "twice")
    """,
    "app.py": """
        import os

        from hypern import Hypern
        from routes.door_routes import router

        app = Hypern()
        app.use(router)

        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}


def test_a_module_that_imports_the_app_back_cannot_start(tmp_path: Path) -> None:
    """Migration, before: the circle ends in Python's own ImportError, not in a server."""
    write(tmp_path, BEFORE)
    run = subprocess.run(APP, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "ImportError" in run.stderr
    assert "circular import" in run.stderr


@pytest.mark.parametrize(("router", "path"), [("", "/doors"), ('prefix="/doors"', "/")])
def test_a_task_in_a_module_of_its_own_breaks_the_circle(serve: Serve, router: str, path: str) -> None:
    """Migration, after: a router without a prefix and full paths, or with one; the handler says nothing."""
    routes = AFTER["routes/door_routes.py"].replace("ROUTER", router).replace("PATH", path)
    with serve(AFTER | {"routes/door_routes.py": routes}) as house:
        for spelling in ("/doors", "/doors/"):
            answer = house.http.post(spelling)
            assert answer.is_success
            assert answer.content == b""
        house.wait_for_output("rang at number 9: twice\n" * 2)
