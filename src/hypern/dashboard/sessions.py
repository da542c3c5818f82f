"""Signing in with a token: the tries that are allowed, and the signed cookie that stands for the token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping

from hypern.dashboard.viewers import Viewer
from hypern.errors import TooManyRequests
from hypern.http.request import Request
from hypern.http.response import Response

SESSION_SECONDS = 8 * 3600
# So many wrong tokens one address may send in so many seconds.
TRIES, TRIES_SECONDS = 10, 60.0
_MOST_ADDRESSES = 10_000
_MOST_ENDED = 10_000
_LONGEST_COOKIE = 256


class Tokens:
    """Viewers by their tokens. A token is told once, on the page's form; then a cookie stands for it.

    `secret`: what cookies are signed with; unless given it is made from the tokens, so that all processes of
    an app agree on it and a token that is taken away ends its sessions. `one_time`: a token opens the door
    once. `clock`: wall-clock seconds.
    """

    has_login = True

    def __init__(
        self,
        tokens: Mapping[str, Viewer],
        secret: bytes | None = None,
        one_time: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._viewers = {_digest(token): viewer for token, viewer in tokens.items()}
        self._secret = secret or hashlib.sha256("\n".join(sorted(tokens)).encode()).digest()
        self._spent: set[str] = set()
        # Sessions that were signed out of, by when they would have ended.
        self._ended: dict[str, int] = {}
        self._one_time = one_time
        self._clock = clock
        self._tries = _Tries()
        # Cookies know no ports: several dashboards on one host must not take each other's for theirs.
        self._name = f"hypern-{hmac.new(self._secret, b'name', 'sha256').hexdigest()[:8]}"

    async def viewer(self, req: Request) -> Viewer | None:
        sent = req.cookie(self._cookie(req))
        return None if sent is None else self._signed(sent)

    def sign_in(self, req: Request, res: Response, token: str) -> Viewer | None:
        """The viewer with this token, and a cookie in `res`; None: there is none. Raises TooManyRequests."""
        self._tries.check(req.ip)
        given = _digest(token)
        found: str | None = None
        for digest in self._viewers:  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, given):
                found = digest
        if found is None or found in self._spent:
            self._tries.count(req.ip)
            return None
        if self._one_time:
            self._spent.add(found)
        until = int(self._clock()) + SESSION_SECONDS
        viewer = self._viewers[found]
        said = f"{until}.{_mark(viewer)}.{secrets.token_hex(8)}"
        res.cookie(
            self._cookie(req),
            f"{said}.{self._mac(said)}",
            max_age=SESSION_SECONDS,
            path="/",
            http_only=True,
            secure=req.secure,
            same_site="strict",
        )
        return viewer

    def sign_out(self, req: Request, res: Response) -> None:
        """The session ends, here also for whoever has a copy of its cookie, and the browser forgets it."""
        sent = req.cookie(self._cookie(req))
        if sent is not None and self._signed(sent) is not None:
            said = sent.rpartition(".")[0]
            if len(self._ended) >= _MOST_ENDED:
                now = self._clock()
                self._ended = {one: until for one, until in self._ended.items() if until > now}
                while len(self._ended) >= _MOST_ENDED:
                    del self._ended[next(iter(self._ended))]
            self._ended[said] = int(said.partition(".")[0])
        res.cookie(
            self._cookie(req), "", max_age=0, path="/", http_only=True, secure=req.secure, same_site="strict"
        )

    def _signed(self, cookie: str) -> Viewer | None:
        said, _, mac = cookie[:_LONGEST_COOKIE].rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(said).encode()):
            return None
        until, whose, _ = said.split(".")
        if int(until) <= self._clock() or said in self._ended:
            return None
        return next((viewer for viewer in self._viewers.values() if _mark(viewer) == whose), None)

    def _mac(self, said: str) -> str:
        return hmac.new(self._secret, said.encode("utf-8", "surrogateescape"), "sha256").hexdigest()

    def _cookie(self, req: Request) -> str:
        # Browsers take the prefix for a promise: from this very host, over https, for no other path.
        return f"__Host-{self._name}" if req.secure else self._name


class _Tries:
    """Wrong tokens by address, in a window of time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, int]] = {}

    def check(self, address: str) -> None:
        with self._lock:
            since, number = self._since.get(address, (0.0, 0))
        left = since + TRIES_SECONDS - time.monotonic()
        if number >= TRIES and left > 0:
            raise TooManyRequests(
                "Too many wrong tokens; try again in a minute.", headers={"Retry-After": str(int(left) + 1)}
            )

    def count(self, address: str) -> None:
        now = time.monotonic()
        with self._lock:
            since, number = self._since.pop(address, (now, 0))
            if now - since > TRIES_SECONDS:
                since, number = now, 0
            if len(self._since) >= _MOST_ADDRESSES:
                del self._since[next(iter(self._since))]
            self._since[address] = (since, number + 1)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _mark(viewer: Viewer) -> str:
    """What a cookie names a viewer by. With other permissions it is another one."""
    return _digest(repr(viewer))[:16]
