"""JSON in and out: strict when reading, generous with Python's own types when writing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hypern.errors import BadRequest

# Finding out which key it was takes several times as long as reading the body.
_NAMED_UP_TO = 64 * 1024
_BYTE = re.compile(r"\(byte (\d+)\)")


def decode_json(body: bytes) -> Any:
    """The value that `body` spells. BadRequest, saying where, for anything that is not strict JSON.

    Not accepted, beyond what breaks the grammar: other encodings than UTF-8, NaN and Infinity, a key twice
    in one object, numbers too big to hold, nesting deeper than Python's own limit.
    """
    try:
        value = _decode(body)
        # What was read, written again, has as many colons as what was sent unless a repeated key is gone.
        # Only an escaped colon could hide the difference.
        if b":" in body:
            differs = _encode(value).count(b":") != body.count(b":")
            may_be_escaped = b"\\u003" in body
            if differs and not may_be_escaped and len(body) > _NAMED_UP_TO:
                raise BadRequest("The body is not valid JSON: a key stands twice in one object.")
            if differs or may_be_escaped:
                _refuse_repeated_keys(body)
    except UnicodeDecodeError:
        raise BadRequest(f"The body is not valid JSON: it is not UTF-8 (byte {_not_utf8(body)}).") from None
    except RecursionError:
        raise BadRequest("The body is not valid JSON: it is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {_reason(str(error), body)}.") from None
    return value


def _not_utf8(body: bytes) -> int:
    # msgspec's error counts from the beginning of the string that it was at.
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _reason(message: str, body: bytes) -> str:
    """msgspec's words, with the byte offset told as line and column too."""
    reason = message.removeprefix("JSON is malformed: ")
    reason = reason[:1].lower() + reason[1:]
    found = _BYTE.search(reason)
    offset = int(found[1]) if found else len(body) if "truncated" in reason else None
    if offset is None:
        return reason
    if not found:
        reason = "it ends too early"
    before = body[:offset]
    line = before.count(b"\n") + 1
    column = offset - before.rfind(b"\n")
    return f"{_BYTE.sub('', reason).strip()} at line {line}, column {column} (byte {offset})"


def _refuse_repeated_keys(body: bytes) -> None:
    json.loads(body, object_pairs_hook=_object_without_repeated_keys)


def _object_without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadRequest(
                    f"The body is not valid JSON: the key {key[:100]!r} stands twice in one object."
                )
            seen.add(key)
    return members


def encode_json(value: Any) -> bytes:
    """`value` as JSON in UTF-8. TypeError or ValueError, naming the type, for what JSON cannot say.

    Dates and times become ISO 8601 text, UUID and Decimal text, bytes base64 text, enums their values,
    dataclasses, msgspec structs and pydantic models objects, sets and tuples arrays, NaN and infinities null.
    """
    try:
        return _encode(value)
    except RecursionError:
        raise ValueError("the value contains itself, or is nested too deeply for JSON.") from None


def _encode_other(value: Any) -> Any:
    """For what msgspec does not know by itself."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return dict(value)
    if value is None or type(value) is tuple:  # elsewhere msgspec knows them by itself
        raise TypeError(f"{value!r} cannot be a key in JSON; answer with plain data made from it.")
    if isinstance(value, (list, tuple, range)):
        return list(value)
    if isinstance(value, int | float):
        return value + 0
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    kind = type(value).__qualname__
    raise TypeError(f"a value of type {kind} cannot be said in JSON; answer with plain data made from it.")


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=_encode_other).encode
