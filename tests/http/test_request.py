"""`req`: what the client sent, decoded when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hypern.errors import BadRequest, UnsupportedMediaType
from hypern.http.request import Request, RequestLimits
from hypern.http.settings import HttpSettings


def request(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    body: bytes = b"",
    trusted: tuple[str, ...] = (),
    client: tuple[str, int] | None = ("203.0.113.7", 5),
) -> Request:
    lines = headers.items() if isinstance(headers, dict) else headers or []
    scope = {
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "scheme": "http",
        "client": client,
        "server": ("127.0.0.1", 3000),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in lines],
    }
    networks = HttpSettings(trusted_proxies=trusted).proxy_networks()
    made = Request(scope, RequestLimits(1000, networks))
    made.body = body
    return made


def test_query_fields() -> None:
    """The first value, all values, blanks kept, defaults for what is missing."""
    req = request(query="a=1&a=2&b=&c=%C3%A9+x&d")
    assert req.query("a") == "1"
    assert req.query_all("a") == ["1", "2"]
    assert req.query("b") == ""
    assert req.query("c") == "é x"
    assert req.query("z") is None
    assert req.query("z", "default") == "default"
    assert req.query_params == {"a": "1", "b": "", "c": "é x", "d": ""}
    assert req.query_string == "a=1&a=2&b=&c=%C3%A9+x&d"


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"a{n}=1" for n in range(1001))])
def test_an_impossible_query_is_the_clients_fault(query: str) -> None:
    """Bad UTF-8 and a flood of fields are a 400."""
    with pytest.raises(BadRequest):
        request(query=query).query("a")


def test_a_query_that_was_not_escaped() -> None:
    """curl sends letters as they are: UTF-8 is read, and shown escaped; anything else is a 400."""
    req = request(query="q=é&r=%C3%A9%26".encode().decode("latin-1"))
    assert (req.query("q"), req.query("r")) == ("é", "é&")
    assert req.query_string == "q=%C3%A9&r=%C3%A9%26"
    assert req.url == "http://127.0.0.1:3000/?q=%C3%A9&r=%C3%A9%26"
    with pytest.raises(BadRequest):
        request(query="q=\xe9").query("q")


def test_headers_have_no_case() -> None:
    """Any spelling finds them; repeated ones are joined, cookies by semicolons."""
    req = request(headers=[("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")])
    assert req.header("X-A") == req.headers["x-A"] == "1, 2"
    assert req.header("missing") is None
    assert req.header("missing", "default") == "default"
    assert "X-a" in req.headers
    assert req.cookies() == {"a": "1", "b": "2"}


def test_cookies() -> None:
    """Quotes go, the first of a name wins, nonsense is passed over."""
    req = request(headers={"Cookie": 'a=1; b="2"; a=3; junk; =x; c=d=e'})
    assert req.cookies() == {"a": "1", "b": "2", "c": "d=e"}
    assert req.cookie("a") == "1"
    assert req.cookie("z") is None
    assert req.cookie("z", "default") == "default"


def test_the_url_as_the_client_sees_it() -> None:
    """Scheme, host, path and query, and the parts of the host."""
    req = request(path="/a", query="b=1", headers={"Host": "api.v1.example.com:8080"})
    assert req.url == "http://api.v1.example.com:8080/a?b=1"
    assert req.original_url == "/a?b=1"
    assert req.hostname == "api.v1.example.com"
    assert req.subdomains() == ["api", "v1"]
    assert (req.protocol, req.secure) == ("http", False)
    assert request(headers={"Host": "[::1]:3000"}).hostname == "::1"
    assert request(headers={"Host": "127.0.0.1"}).subdomains() == []
    assert request().url == "http://127.0.0.1:3000/"


FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 198.51.100.9, 10.0.0.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
    "Host": "internal",
}


def test_forwarded_headers_of_strangers_are_not_believed() -> None:
    """Anybody can send them."""
    req = request(headers=FORWARDED, trusted=("10.0.0.0/8",))
    assert (req.ip, req.ips(), req.protocol, req.hostname) == (
        "203.0.113.7",
        ["203.0.113.7"],
        "http",
        "internal",
    )


def test_forwarded_headers_of_trusted_proxies_are_believed() -> None:
    """Only as far as trusted proxies wrote them: what stands further left is made up."""
    req = request(headers=FORWARDED, trusted=("10.0.0.0/8",), client=("10.0.0.1", 5))
    assert req.ip == "198.51.100.9"
    assert req.ips() == ["198.51.100.9", "10.0.0.2", "10.0.0.1"]
    assert (req.protocol, req.secure, req.hostname) == ("https", True, "shop.example")


def test_a_trusted_proxy_on_a_socket_for_both_kinds_of_addresses() -> None:
    """Its IPv4 address comes dressed as one of IPv6, and is the same."""
    req = request(headers=FORWARDED, trusted=("10.0.0.0/8",), client=("::ffff:10.0.0.1", 5))
    assert req.ip == "198.51.100.9"


def test_a_trusted_proxy_that_says_nothing_is_the_client() -> None:
    """Without headers the peer is all that is known; without a peer, nothing is."""
    assert request(trusted=("10.0.0.1",), client=("10.0.0.1", 5)).ip == "10.0.0.1"
    assert request(client=None).ip == ""


def test_media_types() -> None:
    """Whole, short and by pattern."""
    req = request(headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert req.content_type() == "application/json"
    assert req.is_json()
    assert req.is_content_type("json")
    assert req.is_content_type("application/*")
    assert not req.is_content_type("html")
    assert request(headers={"Content-Type": "application/problem+json"}).is_json()
    assert request(headers={"Content-Type": "multipart/form-data; boundary=x"}).is_multipart()
    assert request(headers={"Content-Type": "application/x-www-form-urlencoded"}).is_form()
    assert request().content_type() is None


@pytest.mark.parametrize(
    ("header", "offered", "expected"),
    [
        ("text/html,application/json;q=0.9", ("json", "html"), "html"),
        ("*/*", ("json", "html"), "json"),
        ("text/html;q=0, */*", ("html",), None),
        ("text/html;q=0, */*", ("html", "json"), "json"),
        ("image/png", ("json",), None),
        ("text/*;q=0.3, text/plain;q=0.5", ("text", "html"), "text"),
        ("application/json;q=nonsense", ("json",), None),
        ("", ("json",), "json"),
    ],
)
def test_accepts_chooses_what_the_client_likes_best(
    header: str, offered: tuple[str, ...], expected: str | None
) -> None:
    """Quality decides, the more specific range before the wider, the first offered among equals."""
    assert request(headers={"Accept": header}).accepts(*offered) == expected


def test_freshness() -> None:
    """ETags win over dates, and only safe methods can be fresh."""
    req = request(headers={"If-None-Match": 'W/"a", "b"'})
    assert req.fresh('"b"')
    assert req.fresh('W/"a"')
    assert req.stale('"c"')
    assert request("POST", headers={"If-None-Match": "*"}).stale('"b"')
    since = request(headers={"If-Modified-Since": "Tue, 03 Nov 2026 10:00:00 GMT"})
    assert since.fresh(last_modified="Tue, 03 Nov 2026 09:00:00 GMT")
    assert since.stale(last_modified="Tue, 03 Nov 2026 11:00:00 GMT")
    assert since.stale(last_modified="nonsense")


def test_xhr() -> None:
    """By the header that some libraries send."""
    assert request(headers={"X-Requested-With": "XMLHttpRequest"}).xhr
    assert not request().xhr


def test_a_missing_body_is_said_to_be_missing() -> None:
    """`json()` without a body is a 400 that says so, not a syntax error."""
    with pytest.raises(BadRequest, match="without one"):
        request().json()


def test_json_is_read_whatever_its_media_type_says() -> None:
    """curl -d sends JSON as a form."""
    assert request(headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"[1]").json() == [1]
    assert request(headers={"Content-Type": "application/json; charset=UTF-8"}, body=b"[1]").json() == [1]


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", '"utf-7"', "nonsense"])
def test_json_in_another_charset_is_refused(charset: str) -> None:
    """JSON is UTF-8."""
    req = request(headers={"Content-Type": f"application/json; charset={charset}"}, body=b"{}")
    with pytest.raises(BadRequest, match="UTF-8"):
        req.json()


def test_text_in_its_charset() -> None:
    """UTF-8 unless declared otherwise; what does not fit is refused."""
    assert request(body="é".encode()).text() == "é"
    declared = {"Content-Type": "text/plain; charset=latin-1"}
    assert request(headers=declared, body="é".encode("latin-1")).text() == "é"
    with pytest.raises(BadRequest, match="byte 0"):
        request(body=b"\xff").text()
    with pytest.raises(UnsupportedMediaType):
        request(headers={"Content-Type": "text/plain; charset=nonsense"}, body=b"x").text()


@pytest.mark.parametrize(
    "use",
    [
        lambda req: req.param("id"),
        lambda req: req.body_bytes(),
        lambda req: repr(req),
    ],
)
def test_simple_questions_have_simple_answers(use: Callable[[Request], Any]) -> None:
    """None of these needs anything in the request."""
    assert use(request()) in (None, b"", "<Request GET '/'>")
