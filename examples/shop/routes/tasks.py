"""How a task is doing; taking it back; trying it again.

Whoever knows a task's id may ask here. The ids cannot be guessed, but a shop with customers who log in
would keep each id with its customer, and answer 404 to all others.
"""

from hypern import Conflict, NotFound, Router, TaskStatus, cancel_task, get_task, submit_task

router = Router(prefix="/tasks")


@router.get("/:task_id")
def show_task(req, res, ctx):
    task = find(req)
    answer = {"status": task.status.name, "attempt": task.attempt}
    if task.is_success():
        answer["result"] = task.result
    elif task.is_failed():
        answer["error"] = task.error
    elif task.progress:
        answer["progress"] = task.progress.message
    res.json(answer)


@router.delete("/:task_id")
def take_back(req, res, ctx):
    task = find(req)
    if not cancel_task(task.task_id):
        raise Conflict(f"This task has already ended: {task.status.name}.")
    res.json({"cancelled": True})


@router.post("/:id/retry")
def try_again(req, res, ctx):
    task = find(req, "id")
    if task.status != TaskStatus.FAILED:
        raise Conflict(f"Only a failed task can be tried again, and this one is {task.status.name}.")
    res.status(202).json({"new_task": submit_task(task.func, args=task.args, kwargs=task.kwargs)})


def find(req, name="task_id"):
    task = get_task(req.param(name))
    if task is None:
        raise NotFound("There is no such task, or it ended so long ago that it is forgotten.")
    return task
