"""The calls of `res` that set headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate
from typing import TypeVar
from urllib.parse import quote

from hypern.http.answer import Answer
from hypern.http.headers import check_cookie, check_cookie_attribute, encode_header

H = TypeVar("H", bound="HeaderCalls")

_SAME_SITE = {"strict": "Strict", "lax": "Lax", "none": "None"}
# Every character that may stand in a URL as it is (RFC 3986); what else comes is percent-encoded.
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


class HeaderCalls(Answer):
    """Names in any case. A name or value that could forge another header is a ValueError at the call."""

    __slots__ = ()

    def header(self: H, name: str, value: object) -> H:
        """Set a header, in the place of any of that name. The body's length is not yours to set."""
        line = _line(name, value)
        if line[0] == b"content-type":
            self._type = line[1]
        elif self._lines is None:
            self._lines = [line]
        else:
            self._lines = [kept for kept in self._lines if kept[0] != line[0]]
            self._lines.append(line)
        return self

    def set(self: H, name: str, value: object) -> H:
        return self.header(name, value)

    def headers(self: H, headers: Mapping[str, object]) -> H:
        """Set several headers."""
        for name, value in headers.items():
            self.header(name, value)
        return self

    def append(self: H, name: str, value: object) -> H:
        """Add a header line, beside those of that name that are there already."""
        line = _line(name, value)
        if line[0] == b"content-type":
            self._type = line[1]
        else:
            self._lines = [*(self._lines or ()), line]
        return self

    def get(self, name: str) -> str | None:
        """A header that has been set, joined by ", " if it has several lines; None if it has not."""
        wanted = name.lower().encode("latin-1", "replace")
        if wanted == b"content-type":
            content_type = self._type or self._implied_type
            return content_type.decode("latin-1") if content_type else None
        values = [value.decode("latin-1") for key, value in self._lines or () if key == wanted]
        return ", ".join(values) if values else None

    def remove_header(self: H, name: str) -> H:
        unwanted = name.lower().encode("latin-1", "replace")
        if unwanted == b"content-type":
            self._type = None
        self._lines = [line for line in self._lines or () if line[0] != unwanted] or None
        return self

    def vary(self: H, field: str) -> H:
        """Say that the answer depends on this request header."""
        present = self.get("Vary")
        if present is None:
            return self.header("Vary", field)
        if field.lower() in [name.strip().lower() for name in present.split(",")]:
            return self
        return self.header("Vary", f"{present}, {field}")

    def links(self: H, links: Mapping[str, str]) -> H:
        """`Link` from relation to URL: `res.links({"next": "/tasks?page=2"})`."""
        return self.header("Link", ", ".join(f'<{_url(url)}>; rel="{rel}"' for rel, url in links.items()))

    def location(self: H, url: str) -> H:
        return self.header("Location", _url(url))

    def etag(self: H, value: str) -> H:
        """The quotes are added where they are missing."""
        return self.header("ETag", value if value.startswith(('"', 'W/"')) else f'"{value}"')

    def last_modified(self: H, moment: datetime | float | str) -> H:
        """A datetime (naive: UTC), seconds since the epoch, or an HTTP date."""
        return self.header("Last-Modified", _http_date(moment))

    def expires(self: H, moment: datetime | float | str) -> H:
        """A datetime (naive: UTC), seconds since the epoch, or an HTTP date."""
        return self.header("Expires", _http_date(moment))

    def cache_control(
        self: H, max_age: int = 0, private: bool = False, no_cache: bool = False, no_store: bool = False
    ) -> H:
        """`max_age` in seconds."""
        if no_store:
            return self.header("Cache-Control", "no-store")
        scope = "private" if private else "public"
        return self.header(
            "Cache-Control", f"{scope}, {'no-cache' if no_cache else f'max-age={int(max_age)}'}"
        )

    def no_cache(self: H) -> H:
        return self.header("Cache-Control", "no-cache, no-store, must-revalidate")

    def cors(
        self: H,
        origin: str = "*",
        methods: Iterable[str] | None = None,
        headers: Iterable[str] | None = None,
        credentials: bool = False,
        max_age: int | None = None,
    ) -> H:
        """CORS headers on this answer alone; for a whole app use the Cors middleware."""
        if credentials and origin == "*":
            raise ValueError("browsers refuse credentials with origin='*'; name the origin.")
        self.header("Access-Control-Allow-Origin", origin)
        if origin != "*":
            self.vary("Origin")
        if methods is not None:
            self.header("Access-Control-Allow-Methods", ", ".join(methods))
        if headers is not None:
            self.header("Access-Control-Allow-Headers", ", ".join(headers))
        if credentials:
            self.header("Access-Control-Allow-Credentials", "true")
        if max_age is not None:
            self.header("Access-Control-Max-Age", max_age)
        return self

    def attachment(self: H, filename: str | None = None) -> H:
        """Let the browser save the body, under this name if one is given."""
        if filename is None:
            return self.header("Content-Disposition", "attachment")
        encoded = quote(filename, safe="!#$&+-.^_`|~")
        if encoded == filename:
            return self.header("Content-Disposition", f'attachment; filename="{filename}"')
        return self.header("Content-Disposition", f"attachment; filename*=UTF-8''{encoded}")

    def cookie(
        self: H,
        name: str,
        value: str,
        max_age: int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: str | None = "Lax",
    ) -> H:
        """Set a cookie: for all paths, hidden from scripts and `SameSite=Lax` unless said otherwise.

        `max_age` in seconds; without it the cookie lasts as long as the browser session.
        """
        value = str(value)
        check_cookie(name, value)
        parts = [f"{name}={value}"]
        if max_age is not None:
            parts.append(f"Max-Age={int(max_age)}")
        for attribute, setting in (("Path", path), ("Domain", domain)):
            if setting is not None:
                check_cookie_attribute(attribute, setting)
                parts.append(f"{attribute}={setting}")
        if same_site is not None:
            if same_site.lower() not in _SAME_SITE:
                raise ValueError(f"same_site={same_site!r} has to be 'Strict', 'Lax' or 'None'.")
            parts.append(f"SameSite={_SAME_SITE[same_site.lower()]}")
            # Browsers drop SameSite=None without Secure.
            secure = secure or same_site.lower() == "none"
        # And names with these prefixes, also where they are to be forgotten.
        secure = secure or name.lower().startswith(("__secure-", "__host-"))
        if secure:
            parts.append("Secure")
        if http_only:
            parts.append("HttpOnly")
        return self.append("Set-Cookie", "; ".join(parts))

    def clear_cookie(self: H, name: str, path: str | None = "/", domain: str | None = None) -> H:
        """Let the browser forget a cookie; `path` and `domain` as it was set with."""
        return self.cookie(name, "", max_age=0, path=path, domain=domain)


def _line(name: str, value: object) -> tuple[bytes, bytes]:
    line = encode_header(name, value)
    if line[0] in (b"content-length", b"transfer-encoding"):
        raise ValueError(f"{name} is set from the body that is sent; leave it out.")
    return line


def _url(url: str) -> str:
    if any(character < " " or character == "\x7f" for character in url):
        raise ValueError(f"the URL {url[:100]!r} contains a line break or another control character.")
    return quote(url, safe=_URL_CHARACTERS)


def _http_date(moment: datetime | float | str) -> str:
    if isinstance(moment, str):
        return moment
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return format_datetime(aware.astimezone(UTC), usegmt=True)
    return formatdate(moment, usegmt=True)
