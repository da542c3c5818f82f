"""Ours: a plain handler that submits a plain task."""

import sys

from work import PENDING_LIMIT, TASK_WORKERS, counts, save_user, welcome

from hypern import Hypern, Router, background


@background()
def send_welcome_email(to: str, name: str):
    return welcome(to, name)


router = Router(prefix="/users")


@router.post("/")
def create_user(req, res, ctx):
    user = save_user(req.json())
    task_id = send_welcome_email(user["email"], user["name"])
    res.status(201).json({"user": user, "email_task_id": task_id})


app = Hypern(task_workers=TASK_WORKERS, task_queue_size=PENDING_LIMIT)
app.use(router)


@app.get("/counts")
def read_counts(req, res, ctx):
    res.json(counts())


if __name__ == "__main__":
    app.listen(int(sys.argv[1]))
