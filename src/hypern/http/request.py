"""`req`: one request. The body has been read before the handler runs, so nothing here needs `await`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, unquote

from hypern.errors import BadRequest, UnsupportedMediaType
from hypern.http.asgi import Scope
from hypern.http.forms import FormData, UploadedFile, Uploads, parse_form
from hypern.http.headers import Headers
from hypern.http.jsons import decode_json
from hypern.http.negotiate import accepted, is_fresh, media_type_matches
from hypern.http.proxies import Origin

MAX_QUERY_FIELDS = 1000
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)
_PRINTABLE = bytes(range(0x21, 0x7F))
_UTF8_NAMES = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class Request:
    """What the client sent. Everything but the body is decoded when it is first asked for.

    `method`: upper case as sent. `path`: decoded, without the query. `path_params`: values of the route's
    parameters. `body`: as bytes. `scope`: the ASGI scope.
    """

    __slots__ = ("_form", "_headers", "_limits", "_origin", "_query", "body", "path_params", "scope")

    def __init__(self, scope: Scope, limits: RequestLimits) -> None:
        self.scope = scope
        self.path_params: dict[str, str] = {}
        self._limits = limits
        self.body = b""
        self._headers: Headers | None = None
        self._query: list[tuple[str, str]] | None = None
        self._form: FormData | None = None
        self._origin: Origin | None = None

    # What was asked for

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @property
    def query_string(self) -> str:
        """As sent, without the question mark; bytes that may not stand in a URL are %-escaped."""
        return _as_url(self.scope.get("query_string") or b"")

    @property
    def original_url(self) -> str:
        """Path and query as sent."""
        path = _as_url(self.scope.get("raw_path") or self.path.encode())
        return f"{path}?{self.query_string}" if self.query_string else path

    @property
    def url(self) -> str:
        """The whole URL: scheme, host, path and query."""
        return f"{self.protocol}://{self._from().host}{self.original_url}"

    def param(self, name: str) -> str | None:
        """The value of a parameter of the route's path, decoded; None if the route has no such parameter."""
        return self.path_params.get(name)

    def query(self, name: str, default: str | None = None) -> str | None:
        """The first value of a field of the query string. BadRequest if the query is not UTF-8."""
        for field, value in self._query_fields():
            if field == name:
                return value
        return default

    def query_all(self, name: str) -> list[str]:
        """Every value of a field of the query string, in the order sent."""
        return [value for field, value in self._query_fields() if field == name]

    @property
    def query_params(self) -> dict[str, str]:
        """The fields of the query string, each with its first value."""
        return dict(reversed(self._query_fields()))

    def _query_fields(self) -> list[tuple[str, str]]:
        if self._query is None:
            try:
                self._query = parse_qsl(
                    self.query_string,
                    keep_blank_values=True,
                    errors="strict",
                    max_num_fields=MAX_QUERY_FIELDS,
                )
            except UnicodeDecodeError:
                raise BadRequest(
                    "The query string is not valid UTF-8 after decoding its %-escapes."
                ) from None
            except ValueError:
                raise BadRequest(f"The query string has more than {MAX_QUERY_FIELDS} fields.") from None
        return self._query

    # Headers and cookies

    @property
    def headers(self) -> Headers:
        """A mapping; names in any case, values of a repeated header joined by ", "."""
        if self._headers is None:
            self._headers = Headers(self.scope["headers"])
        return self._headers

    def header(self, name: str, default: str | None = None) -> str | None:
        return self.headers.get(name, default)

    def cookie(self, name: str, default: str | None = None) -> str | None:
        return self.cookies().get(name, default)

    def cookies(self) -> dict[str, str]:
        """The cookies as sent; of a repeated name, the first (the one with the most specific path)."""
        found: dict[str, str] = {}
        for pair in (self.header("cookie") or "").split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals and name:
                if len(value) > 1 and value[0] == value[-1] == '"':
                    value = value[1:-1]
                found.setdefault(name, value)
        return found

    def content_type(self) -> str | None:
        """The body's media type in lower case, without parameters."""
        sent = self.header("content-type")
        return sent.partition(";")[0].strip().lower() if sent else None

    def is_content_type(self, media_type: str) -> bool:
        """Whether the body is of this media type: `application/json`, `text/*` or short, `json`."""
        sent = self.content_type()
        return sent is not None and media_type_matches(sent, media_type)

    def is_json(self) -> bool:
        sent = self.content_type() or ""
        return sent == "application/json" or sent.endswith("+json")

    def is_form(self) -> bool:
        return self.content_type() == "application/x-www-form-urlencoded"

    def is_multipart(self) -> bool:
        return self.content_type() == "multipart/form-data"

    def accepts(self, *types: str) -> str | None:
        """The one of `types` (media types, or short: `json`, `html`) that the client likes best, or None."""
        return accepted(self.header("accept", "*/*") or "*/*", types)

    def accepts_json(self) -> bool:
        return self.accepts("json") is not None

    def accepts_html(self) -> bool:
        return self.accepts("html") is not None

    def fresh(self, etag: str | None = None, last_modified: str | None = None) -> bool:
        """Whether the copy that the client holds is still good, given the present validators."""
        return self.method in ("GET", "HEAD") and is_fresh(self.headers, etag, last_modified)

    def stale(self, etag: str | None = None, last_modified: str | None = None) -> bool:
        return not self.fresh(etag, last_modified)

    @property
    def xhr(self) -> bool:
        """Whether a script asked, by the header that some libraries send."""
        return (self.header("x-requested-with") or "").lower() == "xmlhttprequest"

    # Who asked, and through whom

    def _from(self) -> Origin:
        if self._origin is None:
            self._origin = Origin.of(self.scope, self.headers, self._limits.trusted_proxies)
        return self._origin

    @property
    def ip(self) -> str:
        """The client's address; behind a trusted proxy, the one that the proxy saw. Empty if unknown."""
        return self._from().ip

    def ips(self) -> list[str]:
        """The addresses that the request passed: the client's first, then those of trusted proxies."""
        return list(self._from().ips)

    @property
    def protocol(self) -> str:
        """`http` or `https`, as the client sees it."""
        return self._from().protocol

    @property
    def secure(self) -> bool:
        return self.protocol == "https"

    @property
    def hostname(self) -> str:
        """The Host that the client named, without the port."""
        return self._from().hostname

    def subdomains(self) -> list[str]:
        """What stands before the last two labels of the hostname: `["api"]` for `api.example.com`."""
        return [] if self.hostname.replace(".", "").isdigit() else self.hostname.split(".")[:-2]

    # The body

    def body_bytes(self) -> bytes:
        return self.body

    def text(self) -> str:
        """The body as text, in the charset that it declares, else UTF-8. BadRequest if it is not."""
        charset = self._charset() or "utf-8"
        try:
            return self.body.decode(charset)
        except LookupError:
            raise UnsupportedMediaType(f"The body's charset {charset[:40]!r} is not known here.") from None
        except UnicodeDecodeError as error:
            raise BadRequest(f"The body is not valid {charset} (byte {error.start}).") from None

    def json(self) -> Any:
        """The body as JSON. BadRequest, saying what and where, if it is missing or not strict JSON."""
        if not self.body:
            raise BadRequest("This request needs a JSON body, and came without one.")
        charset = self._charset()
        if charset is not None and charset.lower() not in _UTF8_NAMES:
            raise BadRequest(f"JSON has to be sent in UTF-8, not in {charset[:40]}.")
        return decode_json(self.body)

    def _charset(self) -> str | None:
        for name, value in self.scope["headers"]:
            if name == b"content-type":
                found = _CHARSET.search(value.decode("latin-1")) if b"=" in value else None
                return found[1] if found else None
        return None

    def form(self) -> FormData:
        """The fields and files of a form. BadRequest: a broken one. UnsupportedMediaType: another body."""
        if self._form is None:
            self._form = parse_form(self.header("content-type"), self.body, self._limits.max_form_parts)
        return self._form

    def file(self, name: str) -> UploadedFile | None:
        """The first file uploaded under this field name."""
        return self.form().file(name)

    def files(self) -> Uploads:
        """All uploaded files: a list in the order sent, which also takes a field name as its index."""
        return self.form().all_files()

    def __repr__(self) -> str:
        return f"<Request {self.method} {unquote(self.path)!r}>"


def _as_url(raw: bytes) -> str:
    # curl and others send "é" as it is, which means what its escaped form means.
    return raw.decode("ascii") if raw.isascii() else quote_from_bytes(raw, safe=_PRINTABLE)


class RequestLimits:
    """What a request has to know of the settings."""

    __slots__ = ("max_form_parts", "trusted_proxies")

    def __init__(self, max_form_parts: int, trusted_proxies: tuple[Any, ...]) -> None:
        self.max_form_parts = max_form_parts
        self.trusted_proxies = trusted_proxies
