"""Forms: URL-encoded fields and multipart uploads, taken apart from a body that is in memory."""

from __future__ import annotations

import os
import re
from binascii import a2b_qp
from pathlib import Path
from typing import Any, overload

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from hypern.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

# A '%' that stands for itself. Reading very many of them takes seconds, and no browser sends one.
_STRAY = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MOST_STRAYS = 10_000


class UploadedFile:
    """A file from a form. `filename`: as sent, its folders removed; `content_type`; `size` in bytes."""

    __slots__ = ("_at", "_content", "content_type", "filename", "name")

    def __init__(self, name: str, filename: str, content_type: str, content: memoryview) -> None:
        self.name = name
        self.filename = filename.replace("\\", "/").rpartition("/")[2].replace("\x00", "")
        self.content_type = content_type
        self._content = content
        self._at = 0

    @property
    def size(self) -> int:
        return len(self._content)

    @property
    def extension(self) -> str:
        """In lower case, without the dot; empty if there is none."""
        return os.path.splitext(self.filename)[1][1:].lower()

    def read(self, n: int | None = None) -> bytes:
        """The next `n` bytes, or all that follow."""
        end = self.size if n is None or n < 0 else min(self._at + n, self.size)
        piece = bytes(self._content[self._at : end])
        self._at = end
        return piece

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole content as text. BadRequest if it is not in that encoding."""
        try:
            return bytes(self._content).decode(encoding)
        except UnicodeDecodeError as error:
            raise BadRequest(
                f"The file {self.name!r} is not valid {encoding} (byte {error.start})."
            ) from None

    def seek(self, position: int) -> None:
        self._at = max(0, min(position, self.size))

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the content to `path`. FileExistsError if there is something, unless `overwrite`."""
        target = Path(path)
        with target.open("wb" if overwrite else "xb") as file:
            file.write(self._content)
        return target

    def save_to(self, directory: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the content into `directory` under the file's own name. ValueError for an impossible one."""
        if self.filename in ("", ".", ".."):
            raise ValueError(f"{self.filename!r} is not a name to save a file under; use save() with one.")
        return self.save(Path(directory) / self.filename, overwrite)

    def is_image(self) -> bool:
        """By the declared type, as all of these: the content is not looked at."""
        return self.content_type.startswith("image/")

    def is_video(self) -> bool:
        return self.content_type.startswith("video/")

    def is_audio(self) -> bool:
        return self.content_type.startswith("audio/")

    def is_pdf(self) -> bool:
        return self.content_type == "application/pdf"


class Uploads(list[UploadedFile]):
    """Uploaded files in the order sent; `uploads["photo"]` is the first of that field (KeyError without)."""

    @overload  # type: ignore[override]
    def __getitem__(self, key: int | str) -> UploadedFile: ...
    @overload
    def __getitem__(self, key: slice) -> list[UploadedFile]: ...
    def __getitem__(self, key: int | str | slice) -> Any:
        if isinstance(key, str):
            for upload in self:
                if upload.name == key:
                    return upload
            raise KeyError(key)
        return super().__getitem__(key)


class FormData:
    """The fields and files of a form. Of a repeated field `get` gives the first value."""

    __slots__ = ("_fields", "_files")

    def __init__(self, fields: list[tuple[str, str]], files: list[UploadedFile]) -> None:
        self._fields = fields
        self._files = files

    def get(self, name: str, default: str | None = None) -> str | None:
        return next((value for field, value in self._fields if field == name), default)

    def get_or(self, name: str, default: str) -> str:
        found = self.get(name)
        return default if found is None else found

    def get_all(self, name: str) -> list[str]:
        return [value for field, value in self._fields if field == name]

    def has(self, name: str) -> bool:
        return self.get(name) is not None

    def field_names(self) -> list[str]:
        return list(dict(self._fields))

    def file(self, name: str) -> UploadedFile | None:
        return next((file for file in self._files if file.name == name), None)

    def files_list(self, name: str) -> list[UploadedFile]:
        return [file for file in self._files if file.name == name]

    def all_files(self) -> Uploads:
        return Uploads(self._files)

    def has_file(self, name: str) -> bool:
        return self.file(name) is not None

    def file_names(self) -> list[str]:
        """The field names that have files."""
        return list(dict.fromkeys(file.name for file in self._files))

    def file_count(self) -> int:
        return len(self._files)

    def to_dict(self) -> dict[str, str]:
        """The fields, each with its first value."""
        return dict(reversed(self._fields))

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: str) -> bool:
        return self.has(name)

    def __len__(self) -> int:
        return len(self._fields)


def parse_form(content_type: str | None, body: bytes, max_parts: int) -> FormData:
    """BadRequest: a broken form. PayloadTooLarge: too many parts. UnsupportedMediaType: no form."""
    media_type, options = parse_options_header(content_type)
    if media_type == b"application/x-www-form-urlencoded":
        return _parse_fields(body, max_parts)
    if media_type == b"multipart/form-data":
        return _Multipart(body, max_parts).parse(options.get(b"boundary", b""))
    if not body and not content_type:
        return FormData([], [])
    raise UnsupportedMediaType(
        "This request needs a form: application/x-www-form-urlencoded or multipart/form-data."
    )


def _parse_fields(body: bytes, max_parts: int) -> FormData:
    if body.count(b"&") >= max_parts:
        raise PayloadTooLarge(f"The form has more than {max_parts} fields.")
    fields = []
    for field in body.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            fields.append((_unescaped(name), _unescaped(value)))
    return FormData(fields, [])


def _unescaped(text: bytes) -> str:
    """As `urllib.parse.unquote_plus`, which takes seconds for the escapes of a large form: written as
    quoted-printable, which differs in the sign and in that each sign begins an escape, they are read in C."""
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text, strays = _STRAY.subn(b"=25", text.replace(b"=", b"=3D"), _MOST_STRAYS)
        if strays == _MOST_STRAYS:
            raise BadRequest(f"A field of the form has {_MOST_STRAYS:,} or more '%' that begin no escape.")
        text = a2b_qp(text.replace(b"%", b"="))
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The form is not valid UTF-8 after decoding its %-escapes.") from None


class _Multipart:
    """Collects the parts that the parser reports; file contents stay slices of the one body."""

    def __init__(self, body: bytes, max_parts: int) -> None:
        self._body = body
        self._content = memoryview(body)
        self._max_parts = max_parts
        self._fields: list[tuple[str, str]] = []
        self._files: list[UploadedFile] = []
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._start = self._end = 0
        self._complete = False

    def parse(self, boundary: bytes) -> FormData:
        if not boundary:
            raise BadRequest("The multipart form does not say its boundary.")
        try:
            parser = MultipartParser(boundary, self._callbacks())
            parser.write(self._body)
            parser.finalize()
        except FormParserError as error:
            raise BadRequest(f"The multipart form is broken: {error}.") from None
        if not self._complete:
            raise BadRequest("The multipart form ends before its last boundary.")
        return FormData(self._fields, self._files)

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise PayloadTooLarge(f"The form has more than {self._max_parts} parts.")
        self._headers = {}
        self._start = self._end = -1

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        # The whole body is written at once, so the pieces of a part lie one after the other in it.
        if self._start < 0:
            self._start = start
        self._end = end

    def _on_part_end(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise BadRequest("A part of the multipart form does not say its name.")
        name = _decode(options[b"name"], "a field's name")
        content = self._content[max(self._start, 0) : max(self._end, 0)]
        if b"filename" in options:
            filename = _decode(options[b"filename"], "a file's name")
            content_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
            self._files.append(UploadedFile(name, filename, content_type.partition(";")[0].strip(), content))
        else:
            self._fields.append((name, _decode(bytes(content), f"the field {name[:100]!r}")))

    def _on_end(self) -> None:
        self._complete = True


def _decode(raw: bytes, what: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(f"In the multipart form, {what} is not valid UTF-8.") from None
