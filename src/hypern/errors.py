"""Every exception that Hypern raises on purpose.

HypernError
├── ConfigurationError (ValueError)    a setting that cannot work, said when it is given
│   ├── StoreUnusable                  the database named by task_store cannot be used
│   └── RouteError                     a route that cannot be registered
├── TaskError                          anything about background tasks
│   ├── InvalidTask (TypeError)        this cannot be a task, or cannot be called with these arguments
│   ├── InvalidOption (ValueError)     a task option with an impossible value
│   ├── QueueFull                      task_queue_size tasks are already waiting; nothing was queued
│   ├── EngineStopped                  the engine has been stopped; nothing was queued
│   ├── QueueUnavailable               the store cannot be written to; nothing was queued
│   │   └── SubmitUncertain            it failed half way; submitting again with the same id is harmless
│   ├── NoCurrentTask (RuntimeError)   current_task() outside of a task
│   ├── NotSerializable (TypeError)    an argument or a result that a durable store cannot keep
│   ├── TaskTooLarge (ValueError)      arguments or a result that take more bytes than may be stored
│   ├── UnknownTask (LookupError)      a stored function that is not found in this process
│   └── CorruptData (ValueError)       stored data that cannot be turned back into values
└── HTTPException                      an answer with an error status, raised from a handler
    ├── BadRequest 400 · Unauthorized 401 · Forbidden 403 · NotFound 404 · MethodNotAllowed 405
    ├── RequestTimeout 408 · Conflict 409 · PayloadTooLarge 413 · UnsupportedMediaType 415
    ├── UnprocessableEntity 422 · TooManyRequests 429
    └── InternalServerError 500 · ServiceUnavailable 503 · GatewayTimeout 504

Each message says what happened and what to do next; what a program may want to read is a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class HypernError(Exception):
    """Base of every exception that Hypern raises on purpose."""


class ConfigurationError(HypernError, ValueError):
    """A setting has a value that cannot work."""


class StoreUnusable(ConfigurationError):
    """The database that `task_store` names cannot be used: damaged, of a newer version, not writable, …"""


class RouteError(ConfigurationError):
    """A route cannot be registered."""


class TaskError(HypernError):
    """Base of everything that goes wrong with background tasks."""


class InvalidTask(TaskError, TypeError):
    """The object cannot be a task, or the arguments do not fit its signature."""


class InvalidOption(TaskError, ValueError):
    """A task option (delay_seconds, priority, …) has an impossible value."""


class QueueFull(TaskError):
    """As many tasks as `task_queue_size` allows are already waiting; nothing was queued.

    `limit`: the queue size. `retry_after`: whole seconds after which trying again is sensible.
    In a handler that lets it through it becomes `503` with `Retry-After`.
    """

    def __init__(self, limit: int, retry_after: int = 1) -> None:
        super().__init__(
            f"the task queue is full: {limit} tasks are already waiting and nothing was queued. "
            f"Try again in about {retry_after} s, or raise task_queue_size."
        )
        self.limit = limit
        self.retry_after = retry_after


class EngineStopped(TaskError):
    """The task engine has been stopped and takes no more tasks; nothing was queued."""


class QueueUnavailable(TaskError):
    """The task store cannot be reached or cannot write; nothing was queued, trying again is harmless.

    `retry_after`: whole seconds after which trying again is sensible. In a handler that lets it through it
    becomes `503` with `Retry-After`.
    """

    retry_after = 5


class SubmitUncertain(QueueUnavailable):
    """The store failed while it was keeping a task: it may be queued, or not.

    `task_id`: its id. Submitting again with it (`with_options(task_id=…)`) is harmless: it is queued once.
    """

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(
            f"whether the task {task_id} was queued is not known: {reason}. Submit it again with "
            f"task_id={task_id!r}; it is queued once, however often that is done."
        )
        self.task_id = task_id


class NoCurrentTask(TaskError, RuntimeError):
    """`current_task()` was called outside of a running task."""


class NotSerializable(TaskError, TypeError):
    """A durable store cannot keep this value; nothing was stored.

    `path`: where the value is, in Python's own words, such as `args[1]['when']`.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be stored: {reason}.")
        self.path = path


class TaskTooLarge(TaskError, ValueError):
    """Arguments or a result take more bytes than a durable store keeps of one; nothing was stored.

    `size`: how many bytes, or a number that it would at least have been. `limit`: how many are allowed.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"this takes at least {size} bytes, and no more than {limit} are stored. "
            "Keep it in a file or a table, and pass where it is."
        )
        self.size = size
        self.limit = limit


class UnknownTask(TaskError, LookupError):
    """The function that a stored task names is not found in this process.

    `name`: the stored name, `module:qualname`.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the function {name!r} is not found here: {reason}. "
            "Run the code that submitted it, or keep its old name for as long as tasks bear it."
        )
        self.name = name


class CorruptData(TaskError, ValueError):
    """Stored data is damaged, or was written by code that does not fit the code that reads it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the stored data cannot be read: {reason}. "
            "Read it with the code that wrote it, or submit the task anew."
        )


class HTTPException(HypernError):
    """An HTTP error answer.

    `status_code`: 400–599. `detail`: the message for the client, the status's own phrase unless given.
    `data`: JSON-like value, sent as the envelope's `data`. `headers`: sent with the answer.
    """

    status: int = 500

    def __init__(
        self,
        status_code: int | None = None,
        detail: str | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = self.status if status_code is None else int(status_code)
        if not 400 <= self.status_code <= 599:
            raise ConfigurationError(
                f"HTTPException takes an error status from 400 to 599, not {self.status_code}; "
                "use res.status(...) for any other answer."
            )
        self.detail = detail if detail is not None else phrase(self.status_code)
        self.data = data
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    def to_dict(self) -> dict[str, Any]:
        """The envelope: `{"error": True, "status_code": …, "message": …}` and `data` where given."""
        envelope: dict[str, Any] = {
            "error": True,
            "status_code": self.status_code,
            "message": self.detail,
        }
        if self.data is not None:
            envelope["data"] = self.data
        return envelope


class _NamedHTTPException(HTTPException):
    def __init__(
        self,
        detail: str | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.status, detail, data, headers)


class BadRequest(_NamedHTTPException):
    status = 400


class Unauthorized(_NamedHTTPException):
    status = 401


class Forbidden(_NamedHTTPException):
    status = 403


class NotFound(_NamedHTTPException):
    status = 404


class MethodNotAllowed(_NamedHTTPException):
    status = 405


class RequestTimeout(_NamedHTTPException):
    status = 408


class Conflict(_NamedHTTPException):
    status = 409


class PayloadTooLarge(_NamedHTTPException):
    status = 413


class UnsupportedMediaType(_NamedHTTPException):
    status = 415


class UnprocessableEntity(_NamedHTTPException):
    status = 422


class TooManyRequests(_NamedHTTPException):
    status = 429


class InternalServerError(_NamedHTTPException):
    status = 500


class ServiceUnavailable(_NamedHTTPException):
    status = 503


class GatewayTimeout(_NamedHTTPException):
    status = 504


def phrase(status_code: int) -> str:
    """The usual words for a status."""
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return "Error"
