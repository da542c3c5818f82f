"""The files of the page: a table made once, so that no path of a request ever reaches the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# What is shown to those who have not signed in yet: the form, and what it is made of.
OPEN = frozenset({"static/login.js", "static/app.css", "static/icon.svg"})


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    media_type: str
    etag: str


def read_assets() -> dict[str, Asset]:
    """All of them by their path below that of the page."""
    root = files("hypern.dashboard") / "static"
    found: dict[str, Asset] = {}
    for directory, prefix in ((root, "static/"), (root / "vendor", "static/vendor/")):
        for file in directory.iterdir():
            media_type = _TYPES.get(file.name.rpartition(".")[2])
            if media_type is not None and file.is_file():
                body = file.read_bytes()
                etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
                found[f"{prefix}{file.name}"] = Asset(body, media_type, etag)
    return found
