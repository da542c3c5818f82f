"""What the client accepts, and whether the copy that it holds is still good."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

_SHORT = {"json": "application/json", "html": "text/html", "text": "text/plain", "xml": "application/xml"}
_MOST_ACCEPT_ENTRIES = 50


def full_media_type(name: str) -> str:
    """The media type that a short name (`json`, `png`) stands for; a whole one is returned as it is."""
    if "/" in name:
        return name
    known = _SHORT.get(name.lstrip(".").lower()) or mimetypes.guess_type(f"a.{name.lstrip('.')}")[0]
    return known or name


def media_type_matches(media_type: str, pattern: str) -> bool:
    """Whether `pattern` (`text/html`, `text/*`, `*/*` or a short name) covers `media_type`."""
    pattern = full_media_type(pattern).lower()
    if pattern in ("*/*", media_type.lower()):
        return True
    return pattern.endswith("/*") and media_type.lower().startswith(pattern[:-1])


def accepted(header: str, offered: Sequence[str]) -> str | None:
    """The one of `offered` with the highest quality in an Accept header; the first of equals; or None."""
    ranges = [_parse_range(entry) for entry in header.split(",")[:_MOST_ACCEPT_ENTRIES]]
    best: str | None = None
    best_quality = 0.0
    for name in offered:
        matching = [entry for entry in ranges if media_type_matches(full_media_type(name), entry[0])]
        # The most specific range decides: "text/html;q=0, */*" does not accept HTML.
        quality = min(matching, key=lambda entry: entry[0].count("*"))[1] if matching else 0.0
        if quality > best_quality:
            best, best_quality = name, quality
    return best


def _parse_range(entry: str) -> tuple[str, float]:
    media_type, *parameters = entry.split(";")
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    return media_type.strip().lower() or "-/-", quality


def is_fresh(headers: Mapping[str, str], etag: str | None, last_modified: str | None) -> bool:
    """Whether the validators in the request's headers match the present ones. ETags win over dates."""
    if "no-cache" in headers.get("cache-control", ""):
        return False
    none_match = headers.get("if-none-match")
    if none_match is not None:
        if none_match.strip() == "*":
            return True
        return etag is not None and _weak(etag) in {_weak(tag) for tag in none_match.split(",")}
    since = headers.get("if-modified-since")
    if since is None or last_modified is None:
        return False
    try:
        return parsedate_to_datetime(last_modified) <= parsedate_to_datetime(since)
    except (ValueError, TypeError):
        return False


def _weak(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"')
