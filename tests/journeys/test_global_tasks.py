"""Tasks that live in any module: the decorator and submit_task/get_task without the app in sight."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.journeys.running import Program, write

Serve = Callable[..., Program]

MEMBERS = {
    "services/letters.py": """
        from hypern import background


        @background()
        def greet(address: str, nickname: str):
            '''Says hello to a new member.'''
            print(f"greeted {nickname} at {address}", flush=True)
            return {"delivered": True, "address": address}


        @background(delay_seconds=300)
        def nudge(address: str, nickname: str):
            print(f"nudged {nickname}", flush=True)
            return {"delivered": True, "address": address}
    """,
    "routes/member_routes.py": """
        from hypern import Router, get_task
        from services.letters import greet, nudge

        router = Router(prefix="/members")
        members = []


        @router.post("/")
        def join(req, res, ctx):
            member = {"number": len(members) + 1, **req.json()}
            members.append(member)
            letter = greet(member["address"], member["nickname"])
            later = nudge(member["address"], nickname=member["nickname"])
            res.status(201).json({"member": member, "letter": letter, "later": later})


        @router.get("/letters/:task_id")
        def letter(req, res, ctx):
            found = get_task(req.param("task_id"))
            res.json({"status": found.status.name, "result": found.result})
    """,
    "app.py": """
        import os

        from hypern import Hypern
        from routes.member_routes import router

        app = Hypern()
        app.use(router)

        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}


def test_a_decorated_function_of_a_service_runs_and_gives_an_id_at_once(serve: Serve) -> None:
    """Global decorator (service, route, app): 201 with the task's id, and the task's result later."""
    with serve(MEMBERS) as club:
        answer = club.http.post("/members/", json={"address": "mo@example.net", "nickname": "Mo"})
        assert answer.status_code == 201
        assert answer.json()["member"] == {"number": 1, "address": "mo@example.net", "nickname": "Mo"}
        assert isinstance(answer.json()["letter"], str)
        letter = club.ended(f"/members/letters/{answer.json()['letter']}")
        assert letter == {"status": "completed", "result": {"delivered": True, "address": "mo@example.net"}}
        assert club.output.count("greeted Mo at mo@example.net") == 1


def test_the_prefix_of_a_router_is_one_route_with_and_without_a_slash(serve: Serve) -> None:
    """Global decorator, its route: both spellings of the router's own address are the same route."""
    with serve(MEMBERS) as club:
        for number, path in enumerate(("/members", "/members/"), start=1):
            answer = club.http.post(path, json={"address": "a@b.example", "nickname": "Al"})
            assert (answer.status_code, answer.json()["member"]["number"]) == (201, number)


def test_a_delayed_function_waits_and_is_named_when_the_program_ends_before(serve: Serve) -> None:
    """Global decorator with five minutes of delay: pending, never run early, named on stderr at the end."""
    with serve(MEMBERS) as club:
        later = club.post("/members", address="x@y.example", nickname="Xi")["later"]
        club.wait_for_output("greeted Xi")
        assert club.get(f"/members/letters/{later}") == {"status": "pending", "result": None}
        club.stop()
        assert f"services.letters:nudge {later} (pending)" in club.errors
        assert "nudged" not in club.output


def test_a_service_is_used_without_an_app(tmp_path: Path) -> None:
    """Global decorator, the service alone in a script: its task runs, the script ends with 0 after it."""
    script = """
        from services.letters import greet

        print(type(greet("z@z.example", "Zoe")).__name__, flush=True)
    """
    write(tmp_path, {"services/letters.py": MEMBERS["services/letters.py"], "script.py": script})
    run = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert sorted(run.stdout.splitlines()) == ["greeted Zoe at z@z.example", "str"]
    assert (run.returncode, run.stderr) == (0, "")


STATEMENTS = {
    "services/statements.py": """
        import os

        from hypern import get_task, submit_task


        def draw_up(account: str, figures: dict):
            import time

            time.sleep(0.05)
            if figures.get("torn"):
                raise ValueError("the figures are torn")
            return {"file": f"/statements/{account}.txt", "sum": sum(figures.values())}


        def order_statement(account: str, figures: dict):
            return submit_task(draw_up, args=(account, figures), delay_seconds=float(os.environ["DELAY"]))


        def look_at(task_id: str):
            found = get_task(task_id)
            if found:
                return {"status": found.status.name, "result": found.result, "error": found.error}
            return None
    """,
    "routes/statement_routes.py": """
        from hypern import Router
        from services.statements import look_at, order_statement

        router = Router(prefix="/statements")


        @router.post("/")
        def order(req, res, ctx):
            res.json({"task_id": order_statement(ctx.get("user_id"), req.json())})


        @router.get("/:task_id")
        def state(req, res, ctx):
            found = look_at(req.param("task_id"))
            if found:
                res.json(found)
            else:
                res.status(404).json({"error": "no such statement"})
    """,
    "app.py": """
        import os

        from hypern import Hypern
        from routes.statement_routes import router


        async def who_is_it(req, res, ctx, next):
            ctx.set("user_id", req.header("x-account"))
            await next()


        app = Hypern()
        app.use(who_is_it)
        app.use(router)

        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}


def test_a_service_submits_a_plain_function_and_finds_its_result(serve: Serve) -> None:
    """Global submit_task and get_task: never before its delay, then completed with the value returned."""
    with serve(STATEMENTS, DELAY="0.5") as bank:
        asked = time.monotonic()
        answer = bank.http.post("/statements", json={"may": 3, "june": 4}, headers={"x-account": "ac-7"})
        state = bank.ended(f"/statements/{answer.json()['task_id']}")
        assert time.monotonic() - asked >= 0.5
        assert state == {
            "status": "completed",
            "result": {"file": "/statements/ac-7.txt", "sum": 7},
            "error": None,
        }


def test_a_service_sees_why_its_function_failed(serve: Serve) -> None:
    """Global get_task: failed, no result, and an error text that JSON can carry."""
    with serve(STATEMENTS, DELAY="0", failures=1) as bank:
        state = bank.ended(f"/statements/{bank.post('/statements', torn=1)['task_id']}")
        assert state == {"status": "failed", "result": None, "error": "ValueError: the figures are torn"}


def test_a_service_sees_a_task_that_is_not_due(serve: Serve) -> None:
    """Global submit_task with a minute of delay: pending without result and error; unknown ids are 404."""
    with serve(STATEMENTS, DELAY="60") as bank:
        task_id = bank.post("/statements", may=1)["task_id"]
        assert bank.get(f"/statements/{task_id}") == {"status": "pending", "result": None, "error": None}
        unknown = bank.http.get("/statements/never-given-out")
        assert (unknown.status_code, unknown.json()) == (404, {"error": "no such statement"})
        bank.stop()
        assert task_id in bank.errors
