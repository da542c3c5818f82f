"""The shapes of ASGI, of handlers and of middlewares, named once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Handler = Callable[..., Any]  # (req, res, ctx), plain or async
Middleware = Callable[..., Any]  # (req, res, ctx, next), plain or async
ErrorHandler = Callable[..., Any]  # (req, res, error), plain or async
ParamHook = Callable[..., Any]  # (req, res, next, value), plain or async
