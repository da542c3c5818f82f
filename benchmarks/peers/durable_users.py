"""Ours on SQLite: POST /users in one process that also runs the tasks; `{port}`, and `--async` at the end.

The plain handler returns after the commit of its task; so does the async one, which awaits it.
"""

import os
import sys
from pathlib import Path

from work import TASK_WORKERS, counts, save_user, welcome

from hypern import Hypern, background

app = Hypern(
    task_workers=TASK_WORKERS, task_store=f"sqlite:///{Path(os.environ['BENCH_DIRECTORY'])}/hypern.db"
)


@background()
def send_welcome_email(to: str, name: str) -> dict:
    return welcome(to, name)


def create_user(req, res, ctx):
    user = save_user(req.json())
    task_id = send_welcome_email(user["email"], user["name"])
    res.status(201).json({"user": user, "email_task_id": task_id})


async def create_user_async(req, res, ctx):
    user = save_user(req.json())
    task_id = await send_welcome_email.submit_async(user["email"], user["name"])
    res.status(201).json({"user": user, "email_task_id": task_id})


app.post("/users")(create_user_async if sys.argv[-1] == "--async" else create_user)


@app.get("/counts")
def read_counts(req, res, ctx):
    res.json(counts())


if __name__ == "__main__":
    app.listen(int(sys.argv[1]))
