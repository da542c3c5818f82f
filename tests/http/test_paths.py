"""Route paths: what can be registered, and which route a request's path means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypern.errors import BadRequest, RouteError
from hypern.http.paths import PathTable, join_paths, parse_path


def table_of(*routes: str) -> PathTable[str]:
    table: PathTable[str] = PathTable()
    for route in routes:
        method, _, path = route.partition(" ")
        table.add(method, path, route)
    return table


def find(table: PathTable[str], method: str, raw: str) -> tuple[str, dict[str, str]] | None:
    from urllib.parse import unquote

    return table.find(method, unquote(raw, errors="replace"), raw.encode())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/tasks", ("GET /tasks", {})),
        ("/tasks/", ("GET /tasks", {})),
        ("/tasks/new", ("GET /tasks/new", {})),
        ("/tasks/7", ("GET /tasks/:task_id", {"task_id": "7"})),
        ("/tasks/7/", ("GET /tasks/:task_id", {"task_id": "7"})),
        ("/tasks/7/retry", ("GET /tasks/:id/retry", {"id": "7"})),
        ("/tasks/new/retry", ("GET /tasks/:id/retry", {"id": "new"})),
        ("/tasks/new/other", ("GET /tasks/*rest", {"rest": "new/other"})),
        ("/tasks/a%2Fb", ("GET /tasks/:task_id", {"task_id": "a/b"})),
        ("/tasks/a%2fb/retry", ("GET /tasks/:id/retry", {"id": "a/b"})),
        ("/tasks/%6eew", ("GET /tasks/new", {})),
        ("/tasks/caf%C3%A9", ("GET /tasks/:task_id", {"task_id": "café"})),
        ("/tasks/100%25", ("GET /tasks/:task_id", {"task_id": "100%"})),
        ("/tasks/%252F", ("GET /tasks/:task_id", {"task_id": "%2F"})),
        ("/tasks/%zz", ("GET /tasks/:task_id", {"task_id": "%zz"})),
        ("/tasks//retry", ("GET /tasks/*rest", {"rest": "/retry"})),
        ("/", ("GET /", {})),
        ("/nothing", None),
        ("/Tasks", None),
        ("//tasks", None),
    ],
)
def test_the_most_specific_route_wins(raw: str, expected: object) -> None:
    """Static beats parameter beats wildcard, with backtracking; values are decoded once."""
    table = table_of(
        "GET /",
        "GET /tasks",
        "GET /tasks/new",
        "GET /tasks/:task_id",
        "GET /tasks/:id/retry",
        "GET /tasks/*rest",
    )
    assert find(table, "GET", raw) == expected


def test_names_belong_to_routes() -> None:
    """The same position bears different names under different methods and in longer paths."""
    table = table_of("GET /a/:x", "DELETE /a/:y", "GET /a/:z/b")
    assert find(table, "GET", "/a/1") == ("GET /a/:x", {"x": "1"})
    assert find(table, "DELETE", "/a/1") == ("DELETE /a/:y", {"y": "1"})
    assert find(table, "GET", "/a/1/b") == ("GET /a/:z/b", {"z": "1"})


def test_a_method_is_looked_for_in_every_route_that_fits() -> None:
    """A static route without the method does not hide a parameter route that has it."""
    table = table_of("GET /users/me", "DELETE /users/:id")
    assert find(table, "DELETE", "/users/me") == ("DELETE /users/:id", {"id": "me"})
    assert list(table.methods_of("/users/me", b"/users/me")) == ["DELETE", "GET", "HEAD"]


def test_head_follows_get() -> None:
    """HEAD finds the GET route, unless it has one of its own."""
    table = table_of("GET /a", "GET /b/:x", "HEAD /b/:x")
    assert find(table, "HEAD", "/a") == ("GET /a", {})
    assert find(table, "HEAD", "/b/1") == ("HEAD /b/:x", {"x": "1"})


def test_any_method_is_the_last_resort() -> None:
    """A route for all methods answers those that have none of their own."""
    table = table_of("* /a", "GET /a")
    assert find(table, "GET", "/a") == ("GET /a", {})
    assert find(table, "PURGE", "/a") == ("* /a", {})


def test_a_wildcard_may_be_empty() -> None:
    """`/files/*rest` also answers `/files`, and a bare `*` is named so."""
    table = table_of("GET /files/*rest", "GET /other/*")
    assert find(table, "GET", "/files") == ("GET /files/*rest", {"rest": ""})
    assert find(table, "GET", "/other/a/b") == ("GET /other/*", {"*": "a/b"})


@pytest.mark.parametrize("raw", ["/tasks/%ff", "/tasks/%c3", "/tasks/%ed%a0%80", "/tasks/%00"])
def test_a_path_that_is_no_text_is_refused(raw: str) -> None:
    """Bad UTF-8 and NUL are the client's fault."""
    with pytest.raises(BadRequest):
        find(table_of("GET /tasks/:id"), "GET", raw)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("tasks", "slash"),
        ("/tasks/{id}", ":id"),
        ("/tasks/<int:id>", ":"),
        ("/tasks/:", "name"),
        ("/tasks/:a-b", "name"),
        ("/*rest/more", "last"),
        ("/:a/:a", "two parameters"),
        ("/a//b", "segment"),
        ("/a/../b", "segment"),
        ("/a?b=1", "query"),
        ("/a b", "decoded"),
        ("/a%20b", "decoded"),
        ("/a\x00", "contain"),
    ],
)
def test_an_impossible_path_is_refused_with_advice(path: str, word: str) -> None:
    """The error says what to write instead."""
    with pytest.raises(RouteError, match=word):
        parse_path(path)


@pytest.mark.parametrize(
    "pair", [("GET /a", "GET /a/"), ("GET /a/:x", "GET /a/:y"), ("GET /*a", "GET /*b"), ("* /a", "* /a")]
)
def test_a_second_route_of_the_same_shape_is_refused(pair: tuple[str, str]) -> None:
    """Names and trailing slashes do not make another route."""
    table = table_of(pair[0])
    method, _, path = pair[1].partition(" ")
    with pytest.raises(RouteError, match="already routed"):
        table.add(method, path, "second")


def test_prefixes_join_without_doubled_slashes() -> None:
    """Empty prefixes and root paths vanish."""
    assert join_paths("", "/") == "/"
    assert join_paths("/users", "/") == "/users"
    assert join_paths("/users/", "/:id") == "/users/:id"
    assert join_paths("/api", "") == "/api"


@given(st.text(min_size=1).filter(lambda text: "\x00" not in text))
def test_any_text_survives_as_a_parameter(text: str) -> None:
    """What a client percent-encodes into one segment is what the handler reads."""
    from urllib.parse import quote

    try:
        raw = "/tasks/" + quote(text, safe="")
    except UnicodeEncodeError:
        return
    assert find(table_of("GET /tasks/:id"), "GET", raw) == ("GET /tasks/:id", {"id": text})
