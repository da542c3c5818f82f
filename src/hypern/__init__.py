"""Hypern: background tasks that a web developer can rely on."""

from hypern.records import TaskResult, TaskStatus
from hypern.tasks.current import current_task
from hypern.tasks.declare import background, cancel_task, get_task, submit_task

__version__ = "0.1.0"
__all__ = [
    "TaskResult",
    "TaskStatus",
    "background",
    "cancel_task",
    "current_task",
    "get_task",
    "submit_task",
]
