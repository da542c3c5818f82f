"""A project whose tasks run until its standard input says a line, for the tests of ends and servers."""

WORKSHOP = {
    "app.py": """
        import asyncio
        import os
        import sys

        from hypern import Hypern, TaskStatus, background, get_task

        app = Hypern(task_workers=int(os.environ.get("WORKERS", "4")))


        @background()
        def saw(board: str):
            print(f"began {board}", flush=True)
            print(f"sawed {board} {sys.stdin.readline().strip()}", flush=True)
            return f"half a {board}"


        @background()
        async def glue(board: str):
            print(f"began {board}", flush=True)
            print(f"glued {board} {(await asyncio.to_thread(sys.stdin.readline)).strip()}", flush=True)


        @background()
        def stack(board: str):
            print(f"stacked {board}", flush=True)


        @background(delay_seconds=86400)
        def varnish(board: str):
            print(f"varnished {board}", flush=True)


        @background()
        def measure(board: str):
            return len(board)


        JOBS = {job.func.__name__: job for job in (saw, glue, stack, varnish, measure)}


        @app.post("/jobs/:job")
        def start(req, res, ctx):
            res.status(202).json({"task_id": JOBS[req.param("job")](req.json()["board"])})


        @app.get("/tasks/:task_id")
        async def state(req, res, ctx):
            found = get_task(req.param("task_id"))
            if not found:
                res.status(404).json({"error": "no such job"})
                return
            res.json({"status": found.status.name, "result": found.result})


        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}
