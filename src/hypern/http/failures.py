"""From an exception to its answer: who handles it, and what is said and logged when nobody does."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from hypern.callables import is_async
from hypern.errors import HTTPException, InternalServerError
from hypern.http.asgi import ErrorHandler
from hypern.http.cancelling import is_from_outside
from hypern.http.logs import log_error
from hypern.http.request import Request
from hypern.http.response import Response, settle
from hypern.http.threads import HandlerThreads

ErrorHandlers = Mapping[type[BaseException], ErrorHandler]


class Failures:
    """Finds the handler of an error and lets it answer.

    A handler is looked for in the router of the route, then in the routers around it, the app, and last
    among the defaults; in each of them by the error's class, then by the classes that it derives from.
    """

    def __init__(
        self, handlers: ErrorHandlers, defaults: ErrorHandlers, threads: HandlerThreads, debug: bool
    ) -> None:
        self._handlers = handlers
        self._defaults = defaults
        self._threads = threads
        self._debug = debug

    def is_expected(self, error: BaseException, inner: Iterable[ErrorHandlers]) -> bool:
        """Whether the error has a handler or is an HTTPException, so that it is an answer and no accident."""
        return isinstance(error, HTTPException) or self._find(error, inner) is not None

    async def answer(
        self, error: BaseException, req: Request, res: Response, inner: Iterable[ErrorHandlers] = ()
    ) -> None:
        """Fill `res` with the answer to `error`. `inner`: handlers of the routers around the route."""
        handler = self._find(error, inner)
        if handler is None:
            self._answer_plainly(error, req, res)
            return
        before = res.headers_only()
        res.status(error.status_code if isinstance(error, HTTPException) else 500)
        try:
            if is_async(handler):
                value = await handler(req, res, error)
            else:
                value = await self._threads.run(handler, req, res, error)
                if isinstance(value, Awaitable):
                    value = await value
            settle(res, value)
        except BaseException as second:
            if is_from_outside(second):
                raise
            if second is not error and second.__cause__ is None:
                second.__cause__ = error
            res.take(before)
            self._answer_plainly(second, req, res)

    def _find(self, error: BaseException, inner: Iterable[ErrorHandlers]) -> ErrorHandler | None:
        for handlers in (*inner, self._handlers, self._defaults):
            if handlers:
                for kind in type(error).__mro__:
                    if kind in handlers:
                        return handlers[kind]
        return None

    def _answer_plainly(self, error: BaseException, req: Request, res: Response) -> None:
        if not isinstance(error, HTTPException):
            log_failure("failed", req.scope, error)
            error = self._told(error)
        try:
            res.status(error.status_code).headers(error.headers).json(error.to_dict())
        except Exception as second:  # its data or headers cannot be sent
            log_failure("failed in an error's answer", req.scope, second)
            res.status(500).json(InternalServerError().to_dict())

    def _told(self, error: BaseException) -> HTTPException:
        """As much of an unexpected error as the client may know."""
        if not self._debug:
            return InternalServerError()
        summary = "".join(traceback.format_exception_only(error)).strip()
        lines = "".join(traceback.format_exception(error)).splitlines()
        return InternalServerError(summary, data={"traceback": lines})


def log_failure(what: str, scope: Mapping[str, Any], error: BaseException) -> None:
    """Log an unexpected error with its traceback; control characters in the path cannot forge log lines."""
    path = str(scope.get("path", "")).encode("unicode_escape").decode("ascii")
    log_error(error, "%s %s %s", scope.get("method"), path, what)
