"""The one way in: what every request has to pass before anything is looked up for it.

Whatever is not let through here is refused: an unknown host, another method, a request that another site
may have made a browser send, somebody who is no viewer, a viewer who may not do this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

from hypern.dashboard.viewers import Door, Viewer
from hypern.errors import Forbidden, HTTPException, MethodNotAllowed, Unauthorized
from hypern.http.request import Request

Needs = Literal["read", "act", "arguments"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Nothing is loaded from elsewhere, nothing inline, no frames, no forms that leave.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Misdirected(HTTPException):
    status = 421


class Gate:
    """`hosts`: the names, beside those of this machine itself, under which the page answers."""

    def __init__(self, door: Door, hosts: Iterable[str] = ()) -> None:
        self._door = door
        self._hosts = frozenset((*LOOPBACK, *(host.lower().strip("[]") for host in hosts)))

    def check_request(self, req: Request) -> None:
        """Raises for a request that no page of ours makes: Misdirected, MethodNotAllowed, Forbidden."""
        if req.hostname.lower() not in self._hosts:
            # Also a name of somebody else's that leads here: DNS rebinding.
            raise Misdirected(
                421,
                "This dashboard does not answer to that host name. Its operator can allow it: "
                'Dashboard(hosts=["name"]).',
            )
        if req.method not in ("GET", "HEAD", "POST"):
            raise MethodNotAllowed(headers={"Allow": "GET, HEAD, POST"})
        if req.method == "POST":
            _check_post(req)
        elif req.header("sec-fetch-site") == "cross-site" and req.header("sec-fetch-mode") != "navigate":
            raise Forbidden("Other sites may not read this.")

    async def viewer(self, req: Request, needs: Needs) -> Viewer:
        """Who it is. Raises Unauthorized, or Forbidden for a viewer who may not do this."""
        viewer = await self._door.viewer(req)
        if viewer is None:
            raise Unauthorized("Sign in to see this.")
        if needs == "act" and not viewer.act:
            raise Forbidden(f"{viewer.name} may look, and change nothing.")
        if needs == "arguments" and not viewer.arguments:
            raise Forbidden(f"{viewer.name} may not see arguments and results.")
        return viewer


def _check_post(req: Request) -> None:
    if req.content_type() != "application/json":
        # What a form on another site can send is refused by its type alone.
        raise Forbidden("A change has to be sent as application/json.")
    site = req.header("sec-fetch-site")
    origin = req.header("origin")
    if site is not None and site != "same-origin":
        raise Forbidden("A change has to come from the page itself.")
    if origin is not None:
        own = urlsplit(req.url)
        if origin.lower() != f"{own.scheme}://{own.netloc}".lower():
            raise Forbidden("A change has to come from the page itself.")
    elif site is None:
        raise Forbidden("A change has to say where it comes from, by Sec-Fetch-Site or Origin.")
