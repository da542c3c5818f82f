"""FastAPI with its BackgroundTasks, its route plain or async: `http_fastapi:plain` or `:asynchronous`.

The body is taken as a dict, without a pydantic model, because the others check nothing either.
"""

from typing import Annotated

from fastapi import BackgroundTasks, Body, FastAPI
from work import counts, save_user, welcome

plain = FastAPI()
asynchronous = FastAPI()


@plain.post("/users", status_code=201)
def create_user(data: Annotated[dict, Body()], background_tasks: BackgroundTasks):
    user = save_user(data)
    background_tasks.add_task(welcome, user["email"], user["name"])
    return {"user": user, "email_task_id": None}


@asynchronous.post("/users", status_code=201)
async def create_user_async(data: Annotated[dict, Body()], background_tasks: BackgroundTasks):
    user = save_user(data)
    background_tasks.add_task(welcome, user["email"], user["name"])
    return {"user": user, "email_task_id": None}


@plain.get("/counts")
@asynchronous.get("/counts")
async def read_counts():
    return counts()
