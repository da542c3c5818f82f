"""FastAPI: the same two routes, the tasks in its BackgroundTasks: one after the other in one thread."""

from durable_burn import burn
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


@app.get("/light")
@app.get("/counts")
async def light():
    return {"ok": True}


@app.post("/burn/{count}")
async def submit_all(count: int, background_tasks: BackgroundTasks):
    for _ in range(count):
        background_tasks.add_task(burn)
    return {"ok": True}
