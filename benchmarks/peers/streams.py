"""Ours: tasks whose status can be followed, and what that costs. `streams.py PORT STORE`."""

import sys
import time

from hypern import Hypern, TaskRoutes, background, submit_many

app = Hypern(task_store=sys.argv[2], task_workers=2, task_queue_size=1_000_000)
app.use(TaskRoutes("/tasks", streams=None, streams_per_client=None))


@background()
def nothing() -> None:
    return None


@app.post("/delayed/:count")
async def submit_delayed(req, res, ctx):
    later = nothing.with_options(delay_seconds=3600)
    res.json([await later.submit_async() for _ in range(int(req.param("count")))])


@app.post("/drain/:count")
def drain(req, res, ctx):
    """Submit so many, run them all; the seconds that it took."""
    begin = time.perf_counter()
    submit_many([(nothing, ())] * int(req.param("count")))
    app.engine.drain(300)
    res.json({"seconds": time.perf_counter() - begin})


@app.get("/counts")
async def processor_time(req, res, ctx):
    """Processor seconds of this process so far, and how many wait for changes."""
    res.json({"seconds": time.process_time(), "waiting": len(app.engine.changes._waiting)})


if __name__ == "__main__":
    app.listen(int(sys.argv[1]))
