"""Middlewares that most programs want; each is given to `use`: `app.use(Cors(["https://example.com"]))`."""

from __future__ import annotations

import asyncio
import gzip
import re
import uuid
from collections.abc import Iterable
from time import monotonic
from typing import Any

from hypern.errors import ConfigurationError, Forbidden, GatewayTimeout, TooManyRequests
from hypern.http.context import Context
from hypern.http.request import Request
from hypern.http.response import Response

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ANY = "*"


class Cors:
    """Lets pages of other origins use the app. `max_age`: seconds that browsers may remember the permission.

    Origins are compared exactly. `*` stands for any origin or header; with credentials origins must be named.
    """

    def __init__(
        self,
        allowed_origins: Iterable[str] = (_ANY,),
        allowed_methods: Iterable[str] = _METHODS,
        allowed_headers: Iterable[str] = (_ANY,),
        expose_headers: Iterable[str] = (),
        allow_credentials: bool = False,
        max_age: int = 600,
    ) -> None:
        for name, value in (
            ("allowed_origins", allowed_origins),
            ("allowed_methods", allowed_methods),
            ("allowed_headers", allowed_headers),
            ("expose_headers", expose_headers),
        ):
            if isinstance(value, str):
                raise ConfigurationError(f"{name} is a list, as in {name}=[{value!r}].")
        self._origins = frozenset(allowed_origins)
        if allow_credentials and _ANY in self._origins:
            raise ConfigurationError(
                "Cors with allow_credentials has to name its allowed_origins instead of '*'."
            )
        self._methods = ", ".join(allowed_methods)
        self._headers = ", ".join(allowed_headers)
        self._expose = ", ".join(expose_headers)
        self._credentials = allow_credentials
        self._max_age = max_age

    @classmethod
    def permissive(cls) -> Cors:
        """Every origin, method and header, without credentials."""
        return cls()

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        origin = req.header("origin")
        if _ANY not in self._origins:
            res.vary("Origin")
        is_preflight = req.method == "OPTIONS" and req.header("access-control-request-method") is not None
        if origin is not None and (_ANY in self._origins or origin in self._origins):
            res.header("Access-Control-Allow-Origin", _ANY if _ANY in self._origins else origin)
            if self._credentials:
                res.header("Access-Control-Allow-Credentials", "true")
            if is_preflight:
                self._answer_preflight(req, res)
                return
            if self._expose:
                res.header("Access-Control-Expose-Headers", self._expose)
        elif is_preflight:
            raise Forbidden("This origin is not allowed to use the app from a browser.")
        await next()

    def _answer_preflight(self, req: Request, res: Response) -> None:
        headers = self._headers
        if headers == _ANY:
            headers = req.header("access-control-request-headers") or ""
            res.vary("Access-Control-Request-Headers")
        res.header("Access-Control-Allow-Methods", self._methods)
        if headers:
            res.header("Access-Control-Allow-Headers", headers)
        res.header("Access-Control-Max-Age", self._max_age).status(204)


class SecurityHeaders:
    """Headers that keep browsers from guessing, framing and downgrading. A handler's own header wins.

    `hsts` goes only into answers over HTTPS; `hsts_max_age` in seconds. `csp`: a Content-Security-Policy.
    """

    def __init__(
        self,
        hsts: bool = True,
        hsts_max_age: int = 31_536_000,
        frame_options: str | None = "DENY",
        content_type_options: bool = True,
        xss_protection: bool = False,
        csp: str | None = None,
    ) -> None:
        self._hsts = f"max-age={int(hsts_max_age)}; includeSubDomains" if hsts else None
        # Old browsers' XSS filters could be turned against a page: only switching them off is safe.
        self._headers = {
            "X-Frame-Options": frame_options,
            "X-Content-Type-Options": "nosniff" if content_type_options else None,
            "X-XSS-Protection": "0" if xss_protection else None,
            "Content-Security-Policy": csp,
            "Referrer-Policy": "strict-origin-when-cross-origin",
        }

    @classmethod
    def strict(cls) -> SecurityHeaders:
        """All of them, with a policy that loads nothing from elsewhere."""
        return cls(
            xss_protection=True,
            csp="default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'",
        )

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        for name, value in self._headers.items():
            if value is not None:
                res.header(name, value)
        if self._hsts is not None and req.secure:
            res.header("Strict-Transport-Security", self._hsts)
        await next()


class RequestId:
    """Gives each request an id, in `ctx.request_id` and the answer; a harmless one that was sent is kept."""

    _HARMLESS = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}\Z")

    def __init__(self, header_name: str = "X-Request-ID") -> None:
        self._header = header_name

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        sent = req.header(self._header)
        ctx.request_id = sent if sent is not None and self._HARMLESS.match(sent) else uuid.uuid4().hex
        res.header(self._header, ctx.request_id)
        await next()


class Timeout:
    """Answers 504 when the rest takes longer than `timeout_secs` seconds.

    An async handler is cancelled; a plain one cannot be, runs on in its thread and its answer is dropped.
    """

    def __init__(self, timeout_secs: float = 30.0) -> None:
        if not 0 < timeout_secs < float("inf"):
            raise ConfigurationError(f"timeout_secs={timeout_secs!r} has to be a number of seconds above 0.")
        self._seconds = timeout_secs

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                await next()
        except TimeoutError:
            if not limit.expired():
                raise
            raise GatewayTimeout(f"No answer within {self._seconds:g} s.") from None


class RateLimit:
    """Answers 429 with Retry-After to clients that send more than `max_requests` in `window_secs` seconds.

    Clients are told apart by address, or by the value of `key_header`, which only makes sense where the
    header cannot be made up. Counts are of this process, over a window that slides.
    """

    _MOST_CLIENTS = 100_000

    def __init__(
        self,
        max_requests: int = 100,
        window_secs: float = 60.0,
        key_header: str | None = None,
        skip_paths: Iterable[str] = (),
    ) -> None:
        if max_requests < 1 or not 0 < window_secs < float("inf"):
            raise ConfigurationError("RateLimit takes max_requests of at least 1 and window_secs above 0.")
        self._most = max_requests
        self._seconds = window_secs
        self._key_header = key_header
        self._skip = frozenset(skip_paths)
        # Of each client the requests in this window and the one before.
        self._window = 0
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        if req.path not in self._skip:
            left = self._take(self._key(req))
            res.header("X-RateLimit-Limit", self._most).header("X-RateLimit-Remaining", left)
        await next()

    def _key(self, req: Request) -> str:
        sent = req.header(self._key_header) if self._key_header is not None else None
        return sent if sent is not None else req.ip

    def _take(self, key: str) -> int:
        """Count one request; how many are left. TooManyRequests if there was none."""
        window, elapsed = divmod(monotonic(), self._seconds)
        self._slide(int(window))
        # As if the requests of the window before had come evenly: the part of them that still counts.
        share = 1.0 - elapsed / self._seconds
        used = self._now.get(key, 0) + self._before.get(key, 0) * share
        if used + 1 > self._most:
            wait = max(1, round(self._seconds - elapsed + 0.5))
            raise TooManyRequests(
                f"Too many requests; try again in about {wait} s.", headers={"Retry-After": str(wait)}
            )
        if key not in self._now and len(self._now) >= self._MOST_CLIENTS:
            del self._now[next(iter(self._now))]
        self._now[key] = self._now.get(key, 0) + 1
        return int(self._most - used - 1)

    def _slide(self, window: int) -> None:
        if window != self._window:
            self._before = self._now if window == self._window + 1 else {}
            self._now = {}
            self._window = window


class Compression:
    """Sends bodies of `min_size` bytes and more gzipped, if they are text of some kind and the client can."""

    _TEXTS = re.compile(r"text/(?!event-stream)|[^;]*(?:json|javascript|xml|x-www-form-urlencoded)")
    _IN_A_THREAD = 64 * 1024

    def __init__(self, min_size: int = 1024) -> None:
        self._min_size = min_size

    async def __call__(self, req: Request, res: Response, ctx: Context, next: Any) -> None:
        await next()
        body = res.body_so_far
        if body is None or len(body) < self._min_size or not self._TEXTS.match(res.get("Content-Type") or ""):
            return
        res.vary("Accept-Encoding")
        if res.get("Content-Encoding") is not None or not _accepts_gzip(req.header("accept-encoding") or ""):
            return
        if len(body) < self._IN_A_THREAD:
            res.replace_body(gzip.compress(body, 6, mtime=0))
        else:
            res.replace_body(await asyncio.to_thread(gzip.compress, body, 6, mtime=0))
        res.header("Content-Encoding", "gzip")
        etag = res.get("ETag")
        if etag is not None and not etag.startswith("W/"):
            # The strong tag is that of other bytes.
            res.header("ETag", f"W/{etag}")


def _accepts_gzip(header: str) -> bool:
    qualities: dict[str, str] = {}
    for entry in header.split(",")[:20]:
        coding, _, quality = entry.replace(" ", "").lower().partition(";q=")
        qualities.setdefault(coding, quality or "1")
    # What is named itself counts, and `*` is for what is not.
    for coding in ("gzip", "x-gzip", _ANY):
        if coding in qualities:
            return qualities[coding].strip("0.") != ""
    return False
