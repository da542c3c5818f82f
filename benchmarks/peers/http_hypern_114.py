"""PyPI's hypern 1.1.4.

Its server forks, and the threads of its task executor stay behind in the parent: tasks submitted by a handler
never run. With `--executor-in-worker` the first request makes an executor on the right side of the fork,
which its pages do not mention, so that there is also a row in which its tasks really run. With `--quiet` it
does not log a line for each request, as it does when nothing is said.
"""

import sys

from hypern._hypern import TaskExecutor
from work import PENDING_LIMIT, TASK_WORKERS, counts, save_user, welcome

from hypern import Hypern, background
from hypern.tasks import set_task_executor

log_level = "warning" if "--quiet" in sys.argv else "info"
app = Hypern(task_workers=TASK_WORKERS, task_queue_size=PENDING_LIMIT, log_level=log_level)
executor_missing = "--executor-in-worker" in sys.argv


@background()
def send_welcome_email(arguments):
    # It hands all positional arguments over as one tuple.
    return welcome(*arguments)


# Mounted with app.post because its app.use(router) drops the router's prefix.
@app.post("/users")
def create_user(req, res, ctx):
    global executor_missing
    if executor_missing:
        executor_missing = False
        set_task_executor(TaskExecutor(TASK_WORKERS, PENDING_LIMIT))
    user = save_user(req.json())
    task_id = send_welcome_email(user["email"], user["name"])
    res.status(201).json({"user": user, "email_task_id": task_id})


@app.get("/counts")
def read_counts(req, res, ctx):
    res.json(counts())


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(sys.argv[1]))
