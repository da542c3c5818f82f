"""The usual patterns: a report that tells its reader, a list in parts, a failed task that is run again."""

from __future__ import annotations

from collections.abc import Callable

from tests.journeys.running import Program

Serve = Callable[..., Program]

OFFICE = {
    "app.py": """
        import logging
        import os
        import pathlib

        from hypern import Hypern, TaskStatus

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
        logger = logging.getLogger("office")

        app = Hypern(task_workers=4, task_queue_size=1000)
        told = {}
        drawer = []


        async def who_is_it(req, res, ctx, next):
            if req.header("x-clerk"):
                ctx.set("user_id", req.header("x-clerk"))
            await next()


        app.use(who_is_it)


        @app.background()
        def compile_report(kind: str, params: dict, clerk: str):
            rows = [f"{kind} {month}" for month in params["months"]]
            drawer.append("\\n".join(rows).encode())
            number = len(drawer)
            told[clerk] = f"report {number} lies in the drawer"
            return number


        @app.background()
        def count_batch(words: list):
            lengths = []
            for word in words:
                lengths.append(len(word))
            return lengths


        @app.background()
        def file_away(paper):
            try:
                return pathlib.Path("cabinet", paper).write_text("filed")
            except Exception as e:
                logger.error(f"could not file: {e}")
                raise


        @app.post("/reports")
        def ask_for_report(req, res, ctx):
            wanted = req.json()
            task_id = app.submit_task(
                compile_report, args=(wanted["kind"], wanted["params"], ctx.get("user_id"))
            )
            res.json({"message": "being compiled", "task_id": task_id})


        @app.get("/told")
        def what_was_told(req, res, ctx):
            res.json({str(clerk): message for clerk, message in told.items()})


        @app.post("/batches")
        def start(req, res, ctx):
            words = req.json()["words"]
            size = 100
            task_ids = []
            for i in range(0, len(words), size):
                task_ids.append(app.submit_task(count_batch, args=(words[i:i + size],)))
            res.json({"task_ids": task_ids})


        @app.post("/papers")
        def file_one(req, res, ctx):
            res.json({"task_id": file_away(req.json()["paper"])})


        @app.post("/cabinet")
        def build_cabinet(req, res, ctx):
            pathlib.Path("cabinet").mkdir()
            res.json({"built": True})


        @app.get("/tasks/:task_id")
        def state(req, res, ctx):
            found = app.get_task(req.param("task_id"))
            if found:
                res.json({"status": found.status.name, "result": found.result, "error": found.error})
            else:
                res.status(404).json({"error": "no such task"})


        @app.get("/tasks/:id/retry")
        def again(req, res, ctx):
            found = app.get_task(req.param("id"))
            if found and found.status == TaskStatus.FAILED:
                res.json({"new_task_id": app.submit_task(found.func, args=found.args)})
            else:
                res.status(400).json({"error": "nothing to run again"})


        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}


def test_a_report_is_compiled_once_and_its_reader_told(serve: Serve) -> None:
    """Report pattern: a decorated task given to submit_task runs once, as itself, for the user of ctx."""
    with serve(OFFICE) as office:
        wanted = {"kind": "tea", "params": {"months": ["May", "June"]}}
        answer = office.http.post("/reports", json=wanted, headers={"x-clerk": "bea"})
        assert answer.json()["message"] == "being compiled"
        ended = office.ended(f"/tasks/{answer.json()['task_id']}")
        assert ended == {"status": "completed", "result": 1, "error": None}
        assert office.get("/told") == {"bea": "report 1 lies in the drawer"}


def test_a_report_for_nobody_in_particular(serve: Serve) -> None:
    """Report pattern without a user: what was never set in ctx is None, and reaches the task as None."""
    with serve(OFFICE) as office:
        task_id = office.post("/reports", kind="tea", params={"months": []})["task_id"]
        assert office.ended(f"/tasks/{task_id}")["result"] == 1
        assert office.get("/told") == {"None": "report 1 lies in the drawer"}


def test_a_long_list_is_worked_off_in_parts(serve: Serve) -> None:
    """Batch pattern: 250 items make three tasks, whose results together are those of all items in order."""
    with serve(OFFICE) as office:
        words = ["x" * (number % 7) for number in range(250)]
        task_ids = office.post("/batches", words=words)["task_ids"]
        assert len(set(task_ids)) == 3
        parts = [office.ended(f"/tasks/{task_id}")["result"] for task_id in task_ids]
        assert [len(part) for part in parts] == [100, 100, 50]
        assert [length for part in parts for length in part] == [len(word) for word in words]


def test_a_failed_task_is_run_again_by_its_id(serve: Serve) -> None:
    """Error handling: logged and raised again means failed; the retry route runs it with its arguments."""
    with serve(OFFICE, failures=1) as office:
        first = office.post("/papers", paper="lease")["task_id"]
        failed = office.ended(f"/tasks/{first}")
        assert failed["status"] == "failed"
        assert failed["error"].startswith("FileNotFoundError:")
        assert "ERROR office could not file:" in office.errors
        office.post("/cabinet")
        second = office.get(f"/tasks/{first}/retry")["new_task_id"]
        assert second != first
        assert office.ended(f"/tasks/{second}") == {"status": "completed", "result": 5, "error": None}
        assert (office.directory / "cabinet" / "lease").read_text() == "filed"
        assert office.get(f"/tasks/{first}") == failed


def test_only_failed_tasks_are_run_again(serve: Serve) -> None:
    """Error handling: the retry route answers 400 for a task that succeeded and for an unknown one."""
    with serve(OFFICE) as office:
        office.post("/cabinet")
        done = office.post("/papers", paper="lease")["task_id"]
        office.ended(f"/tasks/{done}")
        for task_id in (done, "none-such"):
            answer = office.http.get(f"/tasks/{task_id}/retry")
            assert (answer.status_code, answer.json()) == (400, {"error": "nothing to run again"})


def test_the_state_and_the_retry_of_a_task_are_different_routes(serve: Serve) -> None:
    """Error handling: the parameter has another name in each route, and each finds its own, slash or not."""
    with serve(OFFICE) as office:
        assert office.http.get("/tasks/a").status_code == 404
        assert office.http.get("/tasks/a/").status_code == 404
        assert office.http.get("/tasks/a/retry").status_code == 400
        assert office.http.get("/tasks/a/retry/").status_code == 400
        assert office.http.get("/tasks/a/other").json()["status_code"] == 404
        assert office.http.post("/tasks/a/retry").status_code == 405
