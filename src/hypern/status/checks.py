"""What a request for a task may do, and how long it wants to wait."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit

from hypern.errors import Forbidden
from hypern.http.request import Request

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?\s*\Z", re.IGNORECASE)
_TRUSTED_SITES = ("same-origin", "none")
NO_STORE = {"Cache-Control": "no-store"}


def wanted_wait(prefer: str | None, longest: float) -> float | None:
    """The seconds that a `Prefer: wait=10` (RFC 7240) asks for, at most `longest`; None: it asks for none."""
    for preference in (prefer or "").split(","):
        found = _WAIT.match(preference.partition(";")[0].strip())
        if found:
            return min(float(found[1]), math.floor(longest))
    return None


def check_origin(req: Request, origins: frozenset[str]) -> None:
    """Forbidden if a page of another site makes the browser send this. `origins`: others that may."""
    origin = req.header("origin")
    if origin is not None and origin in origins:
        return
    site = req.header("sec-fetch-site")
    if site is not None:
        is_own = site.lower() in _TRUSTED_SITES
    else:
        is_own = origin is None or urlsplit(origin).netloc.lower() == urlsplit(req.url).netloc.lower()
    if not is_own:
        raise Forbidden("Pages of other sites may not cancel tasks here.", headers=NO_STORE)
