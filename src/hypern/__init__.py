"""Hypern: background tasks that a web developer can rely on."""

from hypern.app import Hypern
from hypern.errors import (
    BadRequest,
    ConfigurationError,
    Conflict,
    Forbidden,
    HTTPException,
    HypernError,
    InternalServerError,
    InvalidOption,
    InvalidTask,
    MethodNotAllowed,
    NotFound,
    NotSerializable,
    PayloadTooLarge,
    QueueFull,
    QueueUnavailable,
    ServiceUnavailable,
    StoreUnusable,
    SubmitUncertain,
    TaskError,
    TaskTooLarge,
    TooManyRequests,
    Unauthorized,
    UnknownTask,
    UnprocessableEntity,
)
from hypern.http.context import Context
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.http.router import Router
from hypern.http.sse import SSEEvent
from hypern.records import Backoff, Progress, TaskStatus
from hypern.results import TaskResult
from hypern.status.routes import TaskRoutes
from hypern.tasks.anywhere import cancel_task, get_task, submit_many, submit_task
from hypern.tasks.current import current_task
from hypern.tasks.declare import Task, background
from hypern.tasks.explain import explain
from hypern.tasks.listing import TaskCount, TaskPage, count_tasks, list_tasks
from hypern.tasks.queues import limit_queue, pause_queue, queue_states, resume_queue
from hypern.tasks.recurring import cron, every
from hypern.tasks.runtime import configure
from hypern.tasks.standalone import lifespan, start_workers
from hypern.tasks.steering import (
    cancel_tasks,
    delete_task,
    delete_tasks,
    retry_task,
    retry_tasks,
    run_task_now,
)
from hypern.tasks.waiting import wait_for_task, wait_for_task_async
from hypern.tasks.wishes import Cancel, Retry, Snooze

__version__ = "0.1.0"
__all__ = [
    "Backoff",
    "BadRequest",
    "Cancel",
    "ConfigurationError",
    "Conflict",
    "Context",
    "Forbidden",
    "HTTPException",
    "Hypern",
    "HypernError",
    "InternalServerError",
    "InvalidOption",
    "InvalidTask",
    "MethodNotAllowed",
    "NotFound",
    "NotSerializable",
    "PayloadTooLarge",
    "Progress",
    "QueueFull",
    "QueueUnavailable",
    "Request",
    "Response",
    "Retry",
    "Router",
    "SSEEvent",
    "ServiceUnavailable",
    "Snooze",
    "StoreUnusable",
    "SubmitUncertain",
    "Task",
    "TaskCount",
    "TaskError",
    "TaskPage",
    "TaskResult",
    "TaskRoutes",
    "TaskStatus",
    "TaskTooLarge",
    "TooManyRequests",
    "Unauthorized",
    "UnknownTask",
    "UnprocessableEntity",
    "background",
    "cancel_task",
    "cancel_tasks",
    "configure",
    "count_tasks",
    "cron",
    "current_task",
    "delete_task",
    "delete_tasks",
    "every",
    "explain",
    "get_task",
    "lifespan",
    "limit_queue",
    "list_tasks",
    "pause_queue",
    "queue_states",
    "resume_queue",
    "retry_task",
    "retry_tasks",
    "run_task_now",
    "start_workers",
    "submit_many",
    "submit_task",
    "wait_for_task",
    "wait_for_task_async",
]
