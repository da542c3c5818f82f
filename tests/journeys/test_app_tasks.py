"""Tasks of a program in one file: the app's own decorator, submit_task, get_task, and its settings."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.journeys.running import Program

Serve = Callable[..., Program]

# The tasks wait at a gate that a request opens, so a test decides how long they run.
KITCHEN = {
    "app.py": """
        import os
        import threading

        from hypern import Hypern, TaskStatus

        app = Hypern(
            task_workers=int(os.environ.get("WORKERS", "4")),
            task_queue_size=int(os.environ.get("QUEUE", "1000")),
        )
        gate = threading.Event()


        @app.background()
        def cook(dish: str, plates: int, note: str):
            gate.wait()
            print(f"cooked {plates} {dish} ({note})", flush=True)


        @app.background()
        def at_once():
            return threading.current_thread() is threading.main_thread()


        @app.background(delay_seconds=0.4)
        def soon():
            pass


        @app.background(delay_seconds=60)
        def in_a_minute():
            pass


        @app.background(delay_seconds=3600)
        def in_an_hour():
            pass


        def weigh(sacks):
            import time

            time.sleep(0.05)
            return {"weighed": True, "sacks": len(sacks)}


        def burn():
            raise RuntimeError("burnt")


        @app.post("/order")
        def order(req, res, ctx):
            wanted = req.json()
            task_id = cook(wanted["dish"], 2, note="no salt")
            res.json({"status": "queued", "task_id": task_id})


        @app.post("/gate")
        def open_gate(req, res, ctx):
            gate.set()
            res.json({"open": True})


        @app.post("/timers")
        def timers(req, res, ctx):
            res.json({task.func.__name__: task() for task in (at_once, soon, in_a_minute, in_an_hour)})


        @app.post("/weigh")
        def start_weighing(req, res, ctx):
            res.json({"task_id": app.submit_task(weigh, args=(req.json()["sacks"],))})


        @app.post("/weigh-later")
        def start_weighing_later(req, res, ctx):
            task_id = app.submit_task(weigh, args=(req.json()["sacks"],), delay_seconds=req.json()["delay"])
            res.json({"task_id": task_id})


        @app.post("/burn")
        def start_burning(req, res, ctx):
            res.json({"task_id": app.submit_task(burn)})


        @app.get("/tasks/:task_id")
        def state(req, res, ctx):
            found = app.get_task(req.param("task_id"))
            if found:
                res.json({"status": found.status.name, "result": found.result, "error": found.error})
            else:
                res.status(404).json({"error": "no such order"})


        @app.delete("/tasks/:task_id")
        def call_off(req, res, ctx):
            res.json({"cancelled": app.cancel_task(req.param("task_id"))})


        @app.get("/states/:task_id")
        def states(req, res, ctx):
            status = app.get_task(req.param("task_id")).status
            known = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED)
            res.json({"is": [status == one for one in known], "names": [one.name for one in known]})


        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}
WORDS = ["pending", "running", "completed", "failed"]


def test_the_answer_comes_before_the_task_is_done(serve: Serve) -> None:
    """App-based decorator: the handler answers while its task is held up, and the task ends afterwards."""
    with serve(KITCHEN) as kitchen:
        answer = kitchen.post("/order", dish="soup")
        assert answer["status"] == "queued"
        assert "cooked" not in kitchen.output
        kitchen.post("/gate")
        kitchen.wait_for_output("cooked 2 soup (no salt)")
        ended = kitchen.ended(f"/tasks/{answer['task_id']}")
        assert ended == {"status": "completed", "result": None, "error": None}


def test_each_decorator_has_its_own_delay(serve: Serve) -> None:
    """Delayed execution: none runs at once in a worker thread, a short one in time, the long ones wait."""
    with serve(KITCHEN) as kitchen:
        began = time.monotonic()
        ids = kitchen.post("/timers")
        assert kitchen.ended(f"/tasks/{ids['at_once']}")["result"] is False
        assert kitchen.ended(f"/tasks/{ids['soon']}")["status"] == "completed"
        assert time.monotonic() - began >= 0.4
        for waiting in ("in_a_minute", "in_an_hour"):
            assert kitchen.get(f"/tasks/{ids[waiting]}")["status"] == "pending"


def test_a_plain_function_is_submitted_with_arguments(serve: Serve) -> None:
    """Programmatic submission: the value comes back with its type kept, at once or after a delay."""
    with serve(KITCHEN) as kitchen:
        at_once = kitchen.post("/weigh", sacks=[1, 2, 3])["task_id"]
        later = kitchen.post("/weigh-later", sacks=[4], delay=0.3)["task_id"]
        assert kitchen.ended(f"/tasks/{at_once}")["result"] == {"weighed": True, "sacks": 3}
        assert kitchen.ended(f"/tasks/{later}")["result"] == {"weighed": True, "sacks": 1}


def test_five_minutes_of_delay_leave_the_workers_free(serve: Serve) -> None:
    """Programmatic submission with five minutes of delay: pending, and the only worker serves others."""
    with serve(KITCHEN, WORKERS="1") as kitchen:
        later = kitchen.post("/weigh-later", sacks=[], delay=300)["task_id"]
        kitchen.ended(f"/tasks/{kitchen.post('/weigh', sacks=[])['task_id']}")
        assert kitchen.get(f"/tasks/{later}") == {"status": "pending", "result": None, "error": None}


def test_an_unknown_id_is_not_found(serve: Serve) -> None:
    """Status route: what is no task's id is a 404 with the handler's own words."""
    with serve(KITCHEN) as kitchen:
        answer = kitchen.http.get("/tasks/none-such")
        assert (answer.status_code, answer.json()) == (404, {"error": "no such order"})


def test_each_state_is_seen_under_its_lower_case_name(serve: Serve) -> None:
    """Status values: a task is pending, running, completed or failed, and equal to that member only."""
    with serve(KITCHEN, WORKERS="1", failures=1) as kitchen:
        running = kitchen.post("/order", dish="stew")["task_id"]
        pending = kitchen.post("/burn")["task_id"]
        kitchen.runs(f"/tasks/{running}")
        seen = {"pending": _states(kitchen, pending), "running": _states(kitchen, running)}
        kitchen.post("/gate")
        reached = {kitchen.ended(f"/tasks/{task_id}")["status"]: task_id for task_id in (running, pending)}
        seen |= {word: _states(kitchen, task_id) for word, task_id in reached.items()}
        assert seen == {word: {"is": [word == one for one in WORDS], "names": WORDS} for word in WORDS}


def _states(kitchen: Program, task_id: str) -> object:
    return kitchen.get(f"/states/{task_id}")


def test_a_full_queue_is_a_503_that_says_when_to_come_back(serve: Serve) -> None:
    """Configuration, one worker and two places: the fourth order is refused, nothing accepted is lost."""
    with serve(KITCHEN, WORKERS="1", QUEUE="2") as kitchen:
        first = kitchen.post("/order", dish="rice")["task_id"]
        kitchen.runs(f"/tasks/{first}")
        # Delayed tasks take a place, too.
        second = kitchen.post("/weigh-later", sacks=[7], delay=0.1)["task_id"]
        third = kitchen.post("/order", dish="beans")["task_id"]
        refused = kitchen.http.post("/order", json={"dish": "cake"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert (refused.json()["error"], refused.json()["status_code"]) == (True, 503)
        kitchen.post("/gate")
        for task_id in (first, second, third):
            assert kitchen.ended(f"/tasks/{task_id}")["status"] == "completed"
        again = kitchen.post("/order", dish="cake")["task_id"]
        assert kitchen.ended(f"/tasks/{again}")["status"] == "completed"
        assert kitchen.output.count("cake") == 1


@pytest.mark.parametrize(("workers", "at_a_time"), [("1", 1), ("3", 3)])
def test_as_many_functions_run_together_as_there_are_workers(
    serve: Serve, workers: str, at_a_time: int
) -> None:
    """Configuration of the workers: that many tasks are running, and the next one waits."""
    with serve(KITCHEN, WORKERS=workers) as kitchen:
        ids = [kitchen.post("/order", dish="pie")["task_id"] for _ in range(at_a_time + 1)]
        for task_id in ids[:at_a_time]:
            kitchen.runs(f"/tasks/{task_id}")
        assert kitchen.get(f"/tasks/{ids[-1]}")["status"] == "pending"
        kitchen.post("/gate")
        assert kitchen.ended(f"/tasks/{ids[-1]}")["status"] == "completed"


def test_a_waiting_task_is_called_off(serve: Serve) -> None:
    """Cancelling by id: true once and it never runs, false for what has ended or never was."""
    with serve(KITCHEN) as kitchen:
        later = kitchen.post("/weigh-later", sacks=[], delay=300)["task_id"]
        assert kitchen.http.delete(f"/tasks/{later}").json() == {"cancelled": True}
        assert kitchen.get(f"/tasks/{later}") == {"status": "cancelled", "result": None, "error": None}
        assert kitchen.http.delete(f"/tasks/{later}").json() == {"cancelled": False}
        assert kitchen.http.delete("/tasks/none-such").json() == {"cancelled": False}
        kitchen.stop()
        assert "not finished" not in kitchen.errors
