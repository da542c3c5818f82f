"""`res`: what calls make of it, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hypern.http.response import Response


def lines(res: Response) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in res.head(has_length=True)}


def test_calls_chain() -> None:
    """Every call gives the response back."""
    res = Response()
    calls = [
        res.status(201),
        res.header("X-A", "1"),
        res.set("X-B", "2"),
        res.headers({"X-C": "3"}),
        res.append("X-C", "4"),
        res.type("text"),
        res.cookie("a", "1"),
        res.clear_cookie("b"),
        res.vary("Origin"),
        res.etag("v1"),
        res.cache_control(60),
        res.no_cache(),
        res.text("x"),
        res.json({}),
        res.html("x"),
        res.xml("<x/>"),
        res.body(b"x"),
        res.body_str("x"),
        res.write("x"),
        res.send("x"),
        res.end(),
        res.finish(),
        res.redirect("/"),
        res.send_status(204),
        res.attachment("a.txt"),
        res.links({"next": "/2"}),
        res.location("/x"),
        res.cors(),
        res.remove_header("X-A"),
    ]
    assert all(call is res for call in calls)


def test_a_later_body_replaces_an_earlier_one() -> None:
    """With its type, unless a type was asked for by name."""
    res = Response().html("x").json({"a": 1})
    assert (res.payload(), lines(res)["content-type"]) == (b'{"a":1}', "application/json")
    res = Response().type("application/problem+json").json({})
    assert lines(res)["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("json", "application/json"),
        ("html", "text/html; charset=utf-8"),
        ("csv", "text/csv; charset=utf-8"),
        (".png", "image/png"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
    ],
)
def test_types_by_short_name(name: str, expected: str) -> None:
    """Short names are looked up; text gets its charset."""
    assert Response().type(name).get("Content-Type") == expected


def test_the_length_is_that_of_the_body() -> None:
    """In bytes; 204 and 304 have neither length, type nor body."""
    assert lines(Response().text("é"))["content-length"] == "2"
    res = Response().json({"a": 1}).status(204)
    assert (lines(res), res.payload()) == ({}, b"")
    res = Response().json({"a": 1}).status(304)
    assert (lines(res), res.payload()) == ({}, b"")


def test_headers_replace_and_append() -> None:
    """Setting replaces in any case, appending adds, removing removes."""
    res = Response().header("X-A", "1").header("x-a", 2)
    assert res.get("X-a") == "2"
    assert res.append("X-A", "3").get("x-a") == "2, 3"
    assert res.remove_header("X-A").get("x-a") is None
    assert res.vary("Origin").vary("origin").vary("Accept").get("Vary") == "Origin, Accept"


BAD_VALUES = ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "a\x0bb", "a\x7fb"]


@pytest.mark.parametrize("value", BAD_VALUES)
@pytest.mark.parametrize(
    "call",
    [
        lambda res, value: res.header("X-A", value),
        lambda res, value: res.append("X-A", value),
        lambda res, value: res.headers({"X-A": value}),
        lambda res, value: res.type(value),
        lambda res, value: res.cookie("a", value),
        lambda res, value: res.cookie("a", "b", path=value),
        lambda res, value: res.cookie("a", "b", domain=value),
        lambda res, value: res.redirect(f"/{value}"),
        lambda res, value: res.location(value),
        lambda res, value: res.etag(value),
        lambda res, value: res.links({"next": value}),
        lambda res, value: res.links({value: "/"}),
        lambda res, value: res.vary(value),
        lambda res, value: res.last_modified(value),
        lambda res, value: res.cors(origin=value),
    ],
)
def test_nothing_can_forge_another_header(call: Any, value: str) -> None:
    """Line breaks, NUL and other control characters are an error at the call."""
    with pytest.raises(ValueError):
        call(Response(), value)


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nA", "Ü", "X\x00"])
def test_a_header_name_is_a_token(name: str) -> None:
    """Other names are an error at the call, for cookies too."""
    with pytest.raises(ValueError):
        Response().header(name, "1")
    with pytest.raises(ValueError):
        Response().cookie(name, "1")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_the_framing_is_not_the_handlers(name: str) -> None:
    """A wrong length would let one answer run into the next."""
    with pytest.raises(ValueError, match="leave it out"):
        Response().header(name, "5")
    with pytest.raises(ValueError, match="leave it out"):
        Response().append(name, "5")


def test_a_filename_cannot_break_out_of_its_header() -> None:
    """Quotes, line breaks and foreign letters are encoded."""
    res = Response().attachment('a"\r\nb; é.txt')
    assert res.get("Content-Disposition") == "attachment; filename*=UTF-8''a%22%0D%0Ab%3B%20%C3%A9.txt"
    assert Response().attachment("a.txt").get("Content-Disposition") == 'attachment; filename="a.txt"'


def test_cookies_are_safe_by_default() -> None:
    """Path=/, HttpOnly, SameSite=Lax; the rest when asked for."""
    assert Response().cookie("a", "1").get("Set-Cookie") == "a=1; Path=/; SameSite=Lax; HttpOnly"
    res = Response().cookie(
        "a",
        "1",
        max_age=60,
        path=None,
        domain="example.com",
        secure=True,
        http_only=False,
        same_site="strict",
    )
    assert res.get("Set-Cookie") == "a=1; Max-Age=60; Domain=example.com; SameSite=Strict; Secure"
    assert Response().cookie("a", "1", same_site="none").get("Set-Cookie") == (
        "a=1; Path=/; SameSite=None; Secure; HttpOnly"
    )
    assert Response().clear_cookie("a").get("Set-Cookie") == "a=; Max-Age=0; Path=/; SameSite=Lax; HttpOnly"
    res = Response().cookie("a", "1").cookie("b", "2")
    assert [name for name, _ in res.head(has_length=True)].count(b"set-cookie") == 2


@pytest.mark.parametrize("value", ["a;b", "a b", "a,b", 'a"b', "é"])
def test_a_cookie_value_that_would_be_cut_is_refused(value: str) -> None:
    """The error says how to encode it."""
    with pytest.raises(ValueError, match="quote"):
        Response().cookie("a", value)


def test_redirects() -> None:
    """302 unless said otherwise; what may not stand in a URL is encoded, once."""
    res = Response().redirect("/é?a=b c&d=%20#x")
    assert (res.status_code, res.get("Location")) == (302, "/%C3%A9?a=b%20c&d=%20#x")
    assert Response().redirect("/", 303).status_code == 303
    with pytest.raises(ValueError):
        Response().redirect("/", 200)


@pytest.mark.parametrize("name", ["__Host-session", "__Secure-session"])
def test_cookies_with_a_prefix_are_secure(name: str) -> None:
    """Browsers pass over one without it, also where it is to be forgotten."""
    for res in (Response().cookie(name, "1"), Response().clear_cookie(name)):
        assert "; Secure" in (res.get("Set-Cookie") or "")
    assert "Secure" not in (Response().clear_cookie("session").get("Set-Cookie") or "")


@pytest.mark.parametrize("status", [0, 100, 199, 600, 1000])
def test_only_final_statuses_can_be_set(status: int) -> None:
    """Anything but 200 to 599 is an error at the call."""
    with pytest.raises(ValueError):
        Response().status(status)


def test_dates() -> None:
    """A datetime, seconds or a ready text."""
    expected = "Tue, 03 Nov 2026 10:00:00 GMT"
    moment = datetime(2026, 11, 3, 10, tzinfo=UTC)
    assert Response().last_modified(moment).get("Last-Modified") == expected
    assert Response().last_modified(moment.replace(tzinfo=None)).get("Last-Modified") == expected
    assert Response().expires(moment.timestamp()).get("Expires") == expected
    assert Response().expires(expected).get("Expires") == expected


def test_caching() -> None:
    """How long, for whom, or not at all."""
    assert Response().cache_control(60).get("Cache-Control") == "public, max-age=60"
    assert Response().cache_control(60, private=True).get("Cache-Control") == "private, max-age=60"
    assert Response().cache_control(no_store=True).get("Cache-Control") == "no-store"
    assert "no-store" in str(Response().no_cache().get("Cache-Control"))
    assert Response().etag("v1").get("ETag") == '"v1"'


def test_cors_for_one_answer() -> None:
    """Credentials for everybody are refused, as browsers do."""
    res = Response().cors("https://a.example", methods=["GET"], headers=["X-A"], credentials=True, max_age=5)
    assert res.get("Access-Control-Allow-Origin") == "https://a.example"
    assert res.get("Vary") == "Origin"
    with pytest.raises(ValueError):
        Response().cors(credentials=True)


def test_a_status_with_its_phrase() -> None:
    """`send_status` says in words what the number means."""
    res = Response().send_status(404)
    assert (res.status_code, res.payload()) == (404, b"Not Found")


def test_writing_piece_by_piece() -> None:
    """Pieces of text and bytes become one body."""
    res = Response().write("a").write(b"b").append_body("é")
    assert res.payload() == "abé".encode()


@pytest.mark.parametrize("data", [5, None, ["a"], 10**12])
def test_only_text_and_bytes_can_be_added(data: Any) -> None:
    """A number is not so many zero bytes."""
    with pytest.raises(TypeError, match="text or bytes"):
        Response().write(data)


def test_body_takes_bytes_only() -> None:
    """Text has its own calls, which say its charset."""
    with pytest.raises(TypeError, match=r"text\(\)"):
        Response().body("x")  # type: ignore[arg-type]


def test_finished_says_whether_there_is_a_body() -> None:
    """A status and headers alone are not an answer yet."""
    res = Response().status(201).header("X-A", "1")
    assert not res.finished
    assert res.end().finished
    assert not res.headers_sent
