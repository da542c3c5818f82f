"""Starlette with its BackgroundTask: `granian http_starlette:app`."""

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse
from starlette.routing import Route
from work import counts, save_user, welcome


async def create_user(request):
    user = save_user(await request.json())
    task = BackgroundTask(welcome, user["email"], user["name"])
    return JSONResponse({"user": user, "email_task_id": None}, status_code=201, background=task)


async def read_counts(request):
    return JSONResponse(counts())


app = Starlette(
    routes=[Route("/users", create_user, methods=["POST"]), Route("/counts", read_counts, methods=["GET"])]
)
