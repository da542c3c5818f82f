"""The dashboard: one handler for all paths below its own, with one gate before everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from hypern.dashboard.assets import OPEN, Asset, read_assets
from hypern.dashboard.audit import Audit, AuditEvent
from hypern.dashboard.endpoints import ENDPOINTS, Asked, Endpoint
from hypern.dashboard.gate import HEADERS, Gate
from hypern.dashboard.live import Live
from hypern.dashboard.sessions import Tokens
from hypern.dashboard.viewers import Asking, Viewer, WhoIs, checked_tokens, no_auth
from hypern.dashboard.views import summary
from hypern.errors import (
    BadRequest,
    ConfigurationError,
    HTTPException,
    InternalServerError,
    InvalidOption,
    MethodNotAllowed,
    NotFound,
    QueueFull,
    QueueUnavailable,
    ServiceUnavailable,
    Unauthorized,
)
from hypern.http.context import Context
from hypern.http.paths import ANY_METHOD
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.redacting import Shown
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine

logger = logging.getLogger("hypern.dashboard")


class _App(Protocol):
    """What a dashboard is put into."""

    def add_route(self, method: str, path: str, handler: Any) -> None: ...


class Dashboard:
    """A page on which tasks are watched and put right: `app.use(Dashboard(auth=...))`.

    `auth`: who may see it. A token (24 random characters or more), with which one may also act; several
    tokens, each with a `Viewer`; or a function `auth(req)`, also async, that returns a `Viewer`, or None for
    those who may not. `path`: where it is. `hosts`: names under which it answers, beside localhost.
    `redact`: further names of arguments that are never shown. `on_audit`: called with an `AuditEvent` for
    each sign-in and each action, which are also logged to `hypern.audit`.

    Raises ConfigurationError without `auth`, and for tokens that could be guessed.
    """

    def __init__(
        self,
        *,
        auth: str | Mapping[str, Viewer] | WhoIs | Tokens | None = None,
        path: str = "/dashboard",
        hosts: Iterable[str] = (),
        redact: Iterable[str] = (),
        on_audit: Callable[[AuditEvent], object] | None = None,
    ) -> None:
        if not isinstance(path, str) or not path.startswith("/") or ":" in path or "*" in path:
            raise ConfigurationError(f"the path of a dashboard is text such as '/dashboard', not {path!r}.")
        for name, value in (("hosts", hosts), ("redact", redact)):
            if isinstance(value, str):
                raise ConfigurationError(f"{name} is a list, as in {name}=[{value!r}].")
        self.path = path.rstrip("/")
        self.shown = Shown(redact)
        self.audit = Audit(on_audit)
        self.door = _door(auth)
        self._gate = Gate(self.door, hosts)
        self._assets = read_assets()
        self._app: Any = None
        self.live = Live(lambda: summary(self.engine))

    @property
    def engine(self) -> Engine:
        """The app's, or, in an app without tasks of its own, that of the module-level functions."""
        engine = getattr(self._app, "engine", None)
        return engine if isinstance(engine, Engine) else current_engine()

    def install(self, app: _App) -> None:
        """Answer below `path` in this app. `app.use(dashboard)` calls it."""
        if self._app is not None:
            raise ConfigurationError(
                "this dashboard is in an app already; make another one for the other app."
            )
        self._app = app
        for path in (self.path or "/", f"{self.path}/*rest"):
            app.add_route(ANY_METHOD, path, self._answer)

    async def _answer(self, req: Request, res: Response, ctx: Context) -> None:
        """The page on which tasks are watched, and what it asks for."""
        # Also errors: no handler of the app's sees what is shown here.
        for name, value in HEADERS.items():
            res.header(name, value)
        try:
            await self._pass(req, res)
        except Exception as error:
            answer = _told(error)
            res.status(answer.status_code).headers(answer.headers).json(answer.to_dict())

    async def _pass(self, req: Request, res: Response) -> None:
        self._gate.check_request(req)
        rest = req.param("rest")
        if rest is None and not req.path.endswith("/"):
            # Relative, so that it holds behind any proxy: what the page loads lies below this path.
            res.header("Location", f"{self.path.rpartition('/')[2]}/").status(307)
            return
        path = rest or ""
        if self.door.has_login and await self._pass_open(req, res, path):
            return
        found = ENDPOINTS.get((req.method.replace("HEAD", "GET"), _pattern(path)))
        viewer = await self._gate.viewer(req, "read" if found is None else found.needs)
        if path in ("", "index.html"):
            self._send(req, res, self._assets["static/index.html"])
        elif path in self._assets:
            self._send(req, res, self._assets[path])
        elif found is not None:
            await self._call(found, Asked(self, req, res, viewer, path))
        else:
            _refuse(path)

    async def _pass_open(self, req: Request, res: Response, path: str) -> bool:
        """What those who have not signed in may have: the form, and the way to send it."""
        if path in OPEN:
            self._send(req, res, self._assets[path])
        elif path == "api/login":
            self._login(req, res)
        elif path in ("", "index.html") and await self.door.viewer(req) is None:
            self._send(req, res, self._assets["static/login.html"])
        else:
            return False
        return True

    def _login(self, req: Request, res: Response) -> None:
        if req.method != "POST":
            raise MethodNotAllowed(headers={"Allow": "POST"})
        assert isinstance(self.door, Tokens)
        sent = req.json()
        token = sent.get("token") if isinstance(sent, dict) else None
        if not isinstance(token, str) or len(token) > 1000:
            raise BadRequest("Send the token.")
        viewer = self.door.sign_in(req, res, token)
        name = None if viewer is None else viewer.name
        outcome = "refused" if viewer is None else "done"
        self.audit.tell(AuditEvent(name, "sign in", self.path or "/", outcome, 1, req.ip))
        if viewer is None:
            raise Unauthorized("This is not a token of this dashboard, or it has been used up.")
        res.json({"viewer": viewer.name})

    async def _call(self, endpoint: Endpoint, asked: Asked) -> None:
        answer = await endpoint.answer(asked)
        if answer is not None:
            asked.res.json(answer)

    def _send(self, req: Request, res: Response, asset: Asset) -> None:
        if req.method == "POST":
            raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
        res.header("Cache-Control", "private, no-cache").header("ETag", asset.etag)
        if req.fresh(etag=asset.etag):
            res.status(304)
        else:
            res.body(asset.body).header("Content-Type", asset.media_type)


def _door(auth: Any) -> Asking | Tokens:
    if isinstance(auth, Tokens):
        return auth
    if auth and isinstance(auth, str | Mapping):
        return Tokens(checked_tokens(auth))
    if callable(auth) and not isinstance(auth, type):
        return Asking(auth)
    raise no_auth(auth)


def _pattern(path: str) -> str:
    """The path with `*` in the place of an id."""
    parts = path.split("/")
    if len(parts) in (3, 4) and parts[:2] == ["api", "tasks"]:
        parts[2] = "*"
    return "/".join(parts)


def _refuse(path: str) -> None:
    pattern = _pattern(path)
    allowed = [method for method, known in ENDPOINTS if known == pattern]
    if allowed:
        raise MethodNotAllowed(headers={"Allow": ", ".join(allowed)})
    raise NotFound("There is no such page.")


def _told(error: Exception) -> HTTPException:
    """As much of an error as a viewer may know."""
    if isinstance(error, HTTPException):
        return error
    if isinstance(error, InvalidOption):
        return BadRequest(str(error))
    if isinstance(error, QueueUnavailable | QueueFull):
        return ServiceUnavailable(str(error), headers={"Retry-After": str(error.retry_after)})
    logger.error("the dashboard failed", exc_info=error)
    return InternalServerError("This failed; the log of the server says why.")
