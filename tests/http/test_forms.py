"""Forms: fields, files, and forms that are broken or too big."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from hypern.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from hypern.http.application import WebApp
from hypern.http.forms import FormData, UploadedFile, parse_form

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"


def multipart(*parts: tuple[str, bytes], end: bytes = b"--B--\r\n") -> bytes:
    return b"".join(b"--B\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + end


def field(name: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"'


def file(name: str, filename: str, content_type: str = "text/plain") -> str:
    return f'{field(name)}; filename="{filename}"\r\nContent-Type: {content_type}'


def test_urlencoded_fields() -> None:
    """Decoded, blanks kept, repeated ones in order."""
    form = parse_form(URLENCODED, b"a=1&a=2&b=&c=%C3%A9+x", 10)
    assert form.get("a") == form["a"] == "1"
    assert form.get_all("a") == ["1", "2"]
    assert form.get("c") == "é x"
    assert form.get("z") is None
    assert form.get_or("z", "other") == form.get("z", "other") == "other"
    assert (form.has("b"), "z" in form, len(form)) == (True, False, 4)
    assert form.field_names() == ["a", "b", "c"]
    assert form.to_dict() == {"a": "1", "b": "", "c": "é x"}
    with pytest.raises(KeyError):
        form["z"]


@given(st.lists(st.sampled_from([*b"%=&+41aFg\r\n _.\x00", *"é".encode()]), max_size=20).map(bytes))
def test_urlencoded_as_the_standard_library_has_it(body: bytes) -> None:
    """Whatever is sent, it is read, or refused, as `urllib.parse.parse_qsl` does."""
    try:
        expected = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(BadRequest, match="UTF-8"):
            parse_form(URLENCODED, body, 100)
        return
    form = parse_form(URLENCODED, body, 100)
    assert len(form) == len(expected)
    for name, _ in expected:
        assert form.get_all(name) == [value for field, value in expected if field == name]


def test_signs_that_begin_no_escape() -> None:
    """They stand for themselves; a field with ten thousand of them, which would cost too much, is refused."""
    assert parse_form(URLENCODED, b"a=100%&b=%zz%", 10)["b"] == "%zz%"
    with pytest.raises(BadRequest, match="10,000"):
        parse_form(URLENCODED, b"a=" + b"%" * 2**24, 10)


def test_multipart_fields_and_files() -> None:
    """Both kinds side by side; contents are exact, also where they look like a boundary."""
    tricky = b"\r\n--B\r--B\r\n-B\x00\xff"
    form = parse_form(
        MULTIPART,
        multipart((field("a"), "é".encode()), (file("f", "x.txt"), tricky), (file("f", "y.png"), b"")),
        10,
    )
    assert form.get("a") == "é"
    one, other = form.files_list("f")
    assert one.read() == tricky
    assert (other.size, other.read()) == (0, b"")
    assert form.file("f") is one
    assert (form.file_count(), form.file_names(), form.has_file("g")) == (2, ["f"], False)
    files = form.all_files()
    assert files[0] is files["f"] is one
    assert [file.filename for file in files] == ["x.txt", "y.png"]
    with pytest.raises(KeyError):
        files["g"]


def upload(filename: str, content: bytes = b"content", content_type: str = "image/png") -> UploadedFile:
    return UploadedFile("f", filename, content_type, memoryview(content))


def test_an_upload_is_read_like_a_file() -> None:
    """In pieces, again after `seek`, or as text."""
    f = upload("a.PNG")
    assert (f.read(3), f.read(), f.read()) == (b"con", b"tent", b"")
    f.seek(0)
    assert f.read(100) == b"content"
    assert f.read_text() == "content"
    assert (f.size, f.extension, f.is_image(), f.is_pdf(), f.is_video(), f.is_audio()) == (
        7,
        "png",
        True,
        False,
        False,
        False,
    )
    with pytest.raises(BadRequest, match="utf-8"):
        upload("a", b"\xff").read_text()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a.txt", "a.txt"),
        ("a\x00.txt", "a.txt"),
        ("/", ""),
        ("..", ".."),
    ],
)
def test_an_uploads_name_has_no_folders(sent: str, kept: str) -> None:
    """A client cannot say where its file goes."""
    assert upload(sent).filename == kept


def test_uploads_are_saved_where_told(tmp_path: Path) -> None:
    """Nothing is overwritten unless asked, and a name that is none is refused."""
    saved = upload("../a.txt").save_to(tmp_path)
    assert (saved, saved.read_bytes()) == (tmp_path / "a.txt", b"content")
    with pytest.raises(FileExistsError):
        upload("a.txt").save_to(tmp_path)
    upload("a.txt", b"new").save(tmp_path / "a.txt", overwrite=True)
    assert saved.read_bytes() == b"new"
    for name in ("", "..", "."):
        with pytest.raises(ValueError, match="save"):
            upload(name).save_to(tmp_path)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"a=%ff"),
        (URLENCODED, b"\xff=1"),
        ("multipart/form-data", multipart((field("a"), b"1"))),
        (f"multipart/form-data; boundary={'x' * 1000}", b""),
        (MULTIPART, b"nonsense"),
        (MULTIPART, b""),
        (MULTIPART, multipart((field("a"), b"1"), end=b"")),
        (MULTIPART, multipart((field("a"), b"1"), end=b"--B")),
        (MULTIPART, multipart(("Content-Disposition: form-data", b"1"))),
        (MULTIPART, multipart(("X: y", b"1"))),
        (MULTIPART, multipart((field("a"), b"\xff"))),
        (MULTIPART, multipart(("bad header", b"1"))),
    ],
)
def test_a_broken_form_is_the_clients_fault(content_type: str, body: bytes) -> None:
    """Whatever is wrong with it, it is a 400."""
    with pytest.raises(BadRequest):
        parse_form(content_type, body, 10)


def test_too_many_parts_are_refused_quickly() -> None:
    """A million of them costs no more than the limit."""
    started = time.thread_time()
    with pytest.raises(PayloadTooLarge):
        parse_form(MULTIPART, multipart((field("a"), b""))[:-7] * 300_000, 1000)
    with pytest.raises(PayloadTooLarge):
        parse_form(URLENCODED, b"a&" * 5_000_000, 1000)
    assert time.thread_time() - started < 2


def test_another_body_is_no_form() -> None:
    """JSON where a form is wanted is a 415; no body at all is an empty form."""
    with pytest.raises(UnsupportedMediaType):
        parse_form("application/json", b"{}", 10)
    with pytest.raises(UnsupportedMediaType):
        parse_form(None, b"a=1", 10)
    assert isinstance(parse_form(None, b"", 10), FormData)


def test_a_handler_gets_fields_and_files() -> None:
    """The whole way: `req.form()`, `req.file()`, `req.files()`."""
    app = WebApp(max_form_parts=2)

    @app.post("/")
    def handler(req: Any, res: Any, ctx: Any) -> dict[str, Any]:
        upload = req.file("doc")
        return {
            "title": req.form().get("title"),
            "name": upload.filename,
            "n": len(req.files()),
            "size": upload.size,
        }

    client = TestClient(app)
    reply = client.post("/", data={"title": "T"}, files={"doc": ("d.txt", b"12345")})
    assert reply.json() == {"title": "T", "name": "d.txt", "n": 1, "size": 5}
    assert client.post("/", data={"a": "1", "b": "2"}, files={"doc": ("d", b"")}).status_code == 413
    assert client.post("/", json={}).status_code == 415
