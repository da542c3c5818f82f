"""Files as answers, and directories of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hypern.errors import ConfigurationError
from hypern.http.application import WebApp


@pytest.fixture
def root(tmp_path: Path) -> Path:
    public = tmp_path / "public"
    (public / "sub").mkdir(parents=True)
    (public / "a.txt").write_text("0123456789")
    (public / "index.html").write_text("<p>root</p>")
    (public / "sub" / "index.html").write_text("<p>sub</p>")
    (public / "é x.txt").write_text("accent")
    (public / ".env").write_text("SECRET")
    (public / "..odd").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "public-other").mkdir()
    (tmp_path / "public-other" / "x.txt").write_text("SECRET")
    os.symlink(tmp_path / "secret.txt", public / "link.txt")
    os.symlink(tmp_path, public / "up")
    os.symlink(public / "a.txt", public / "inside.txt")
    os.symlink(public / "loop", public / "loop")
    os.mkfifo(public / "pipe")
    return public


@pytest.fixture
def client(root: Path) -> TestClient:
    app = WebApp()
    app.static("/files", root)
    app.static("/bare", root, index=None)

    @app.post("/send")
    @app.get("/send")
    def send(req: Any, res: Any, ctx: Any) -> None:
        res.header("X-Own", "1").cookie("a", "1").send_file(root / "a.txt")

    @app.get("/download")
    def download(req: Any, res: Any, ctx: Any) -> None:
        res.download(root / "a.txt", "näme.txt")

    @app.get("/typed")
    def typed(req: Any, res: Any, ctx: Any) -> None:
        res.send_file(root / "a.txt", content_type="application/x-own").etag("mine")

    @app.get("/missing")
    def missing(req: Any, res: Any, ctx: Any) -> None:
        res.send_file(root / "missing.txt")

    return TestClient(app)


def test_a_file_with_its_validators(client: TestClient) -> None:
    """Type, length, ETag and date; the handler's own headers too."""
    reply = client.get("/send")
    assert (reply.status_code, reply.text) == (200, "0123456789")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["content-length"] == "10"
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["x-own"] == "1"
    assert "a=1" in reply.headers["set-cookie"]
    assert reply.headers["etag"]
    assert reply.headers["last-modified"]


def test_a_copy_that_is_still_good_is_not_sent_again(client: TestClient) -> None:
    """By ETag or by date, for GET and HEAD."""
    first = client.get("/send")
    for headers in (
        {"If-None-Match": first.headers["etag"]},
        {"If-None-Match": f'"other", W/{first.headers["etag"]}'},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        reply = client.get("/send", headers=headers)
        assert (reply.status_code, reply.content) == (304, b"")
        assert reply.headers["etag"] == first.headers["etag"]
        assert reply.headers["x-own"] == "1"
    assert client.head("/send", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.get("/send", headers={"If-None-Match": '"other"'}).status_code == 200


def test_only_reading_can_find_a_copy_still_good(client: TestClient) -> None:
    """Another method made something: its answer is sent, whatever the client holds."""
    etag = client.get("/send").headers["etag"]
    assert client.post("/send", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_no_file(client: TestClient, root: Path, status: int) -> None:
    """Neither its bytes nor its length and type."""
    app = WebApp()
    app.get("/")(lambda req, res, ctx: res.status(status).send_file(root / "a.txt"))
    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.content) == (status, b"")
    assert {"content-length", "content-type"}.isdisjoint(reply.headers)


def test_a_file_that_may_not_be_read_is_a_500(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found out before a part of the answer has been sent."""

    def refuse(*arguments: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hypern.http.files.open", refuse, raising=False)
    reply = client.get("/send")
    assert (reply.status_code, reply.json()["message"]) == (500, "Internal Server Error")


def test_a_changed_file_has_another_etag(client: TestClient, root: Path) -> None:
    """Even when its size stays the same."""
    before = client.get("/send").headers["etag"]
    (root / "a.txt").write_text("9876543210")
    os.utime(root / "a.txt", (1, 1))
    assert client.get("/send").headers["etag"] != before


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=0-999", 206, b"0123456789"),
        ("bytes=50-", 416, None),
        ("bytes=5-2", 400, None),
        ("lines=1-2", 400, None),
        ("bytes=" + ",".join(["0-"] * 5000), 200, b"0123456789"),
        ("bytes=" + ",".join(f"{n % 10}-" for n in range(90)), 206, b"0123456789"),
    ],
)
def test_ranges(client: TestClient, wanted: str, status: int, body: bytes | None) -> None:
    """Parts as asked for; a flood of ranges is not more work than the file."""
    reply = client.get("/send", headers={"Range": wanted})
    assert reply.status_code == status
    if body is not None:
        assert reply.content == body


def test_head_of_a_file(client: TestClient) -> None:
    """The head alone, with the length."""
    reply = client.head("/send")
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "10")


def test_downloads_and_own_types(client: TestClient) -> None:
    """A download has a name; a type and an ETag of one's own are kept."""
    assert (
        client.get("/download").headers["content-disposition"] == "attachment; filename*=UTF-8''n%C3%A4me.txt"
    )
    reply = client.get("/typed")
    assert reply.headers["content-type"] == "application/x-own"
    assert reply.headers.get_list("etag") == ['"mine"']
    assert client.get("/typed", headers={"If-None-Match": '"mine"'}).status_code == 304


def test_a_missing_file_is_a_404(client: TestClient) -> None:
    """It does not say where it was looked for."""
    reply = client.get("/missing")
    assert (reply.status_code, reply.json()["message"]) == (404, "There is no such file.")


def test_a_directory_of_files(client: TestClient) -> None:
    """Files by path, index files for directories, links that stay inside."""
    assert client.get("/files/a.txt").text == "0123456789"
    assert client.get("/files/%C3%A9%20x.txt").text == "accent"
    assert client.get("/files").text == client.get("/files/").text == "<p>root</p>"
    assert client.get("/files/sub").text == client.get("/files/sub/").text == "<p>sub</p>"
    assert client.get("/files/inside.txt").text == "0123456789"
    assert client.get("/bare/sub").status_code == 404
    assert client.get("/files/a.txt").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("/files", "./files/"),
        ("/files/sub", "./sub/"),
        ("/files/sub?a=%C3%A9&b", "./sub/?a=%C3%A9&b"),
        ("/files/%73ub", "./%73ub/"),
        ("/files//sub", "./sub/"),
        ("/files/x:%20y", "./x:%20y/"),
    ],
)
def test_a_directorys_page_is_asked_for_with_a_slash(
    client: TestClient, root: Path, asked: str, told: str
) -> None:
    """Else the links in it would lead beside the directory. The way there is relative, to this host alone."""
    (root / "x: y").mkdir()
    (root / "x: y" / "index.html").write_text("<p>odd</p>")
    reply = client.get(asked, follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (302, told)
    assert client.get(asked).text.startswith("<p>")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "..%2Fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "%252e%252e%252fsecret.txt",
        "..%252fsecret.txt",
        "....//secret.txt",
        "..\\secret.txt",
        "..%5csecret.txt",
        "sub/../../secret.txt",
        "sub/..%2f..%2fsecret.txt",
        "sub%2f..%2f..%2fsecret.txt",
        "%c0%ae%c0%ae/secret.txt",
        "..%c0%afsecret.txt",
        "a.txt%00.png",
        "%00",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "/%2fetc/passwd",
        "C:%5cwindows",
        "link.txt",
        "up/secret.txt",
        "loop",
        "pipe",
        ".env",
        "..odd",
        "../public-other/x.txt",
        "a.txt/x",
        "x" * 5000,
        "%EF%BC%8E%EF%BC%8E/secret.txt",
        "..;/secret.txt",
    ],
)
def test_nothing_outside_is_served(client: TestClient, path: str) -> None:
    """Neither by dots, encodings, backslashes, NUL, nor by links; hidden files neither."""
    scope_path = f"/files/{path}"
    reply = raw_get(client, scope_path)
    assert reply.status_code in (400, 404)
    assert b"SECRET" not in reply.content
    assert b"root:" not in reply.content


def raw_get(client: TestClient, raw_path: str) -> Any:
    """GET without the client's own normalising of the path."""
    import asyncio
    from urllib.parse import unquote_to_bytes

    import httpx2

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path.encode(),
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "asgi": {"spec_version": "2.4"},
    }
    asyncio.run(client.app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx2.Response(sent[0]["status"], content=body)


def test_a_missing_directory_is_an_error_at_once() -> None:
    """Not when the first file is asked for."""
    with pytest.raises(ConfigurationError, match="no directory"):
        WebApp().static("/x", "/does/not/exist")
