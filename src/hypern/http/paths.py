"""Route paths: checking and compiling them, and finding the one that a request's path means.

A path is a tree of segments. At each position a static segment beats a parameter, a parameter beats a
wildcard, and the search steps back when a promising branch leads nowhere. A path with a trailing slash
is the path without it. Names of parameters belong to the route, not to the position, so
`/tasks/:task_id` and `/tasks/:id/retry` share theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from hypern.errors import BadRequest, RouteError

T = TypeVar("T")

ANY_METHOD = "*"
"""The method of a route that answers every method which has no route of its own."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FOREIGN_PARAMETER = re.compile(r"[{<]([A-Za-z_]\w*)[^}>]*[}>]")
_IMPOSSIBLE = re.compile(r"[\x00-\x20\x7f?#%\\]")


def join_paths(prefix: str, path: str) -> str:
    """`prefix` followed by `path`, where either may be empty or just a slash."""
    joined = prefix.rstrip("/") + ("" if path == "/" else path)
    return joined or "/"


def parse_path(path: str) -> list[str]:
    """The segments of a route's path. RouteError, with advice, for a path that could never be matched."""
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise RouteError(f"the path {path!r} has to be a string that starts with a slash, as in '/tasks'.")
    segments = _split(path)
    names: set[str] = set()
    for position, segment in enumerate(segments):
        _check_segment(path, segment)
        if segment[0] not in ":*":
            continue
        if segment[0] == "*" and position != len(segments) - 1:
            raise RouteError(f"the wildcard {segment!r} has to be the last segment of the path {path!r}.")
        name = parameter_name(segment)
        if name in names:
            raise RouteError(f"the path {path!r} has two parameters named {name!r}; give one another name.")
        names.add(name)
    return segments


def parameter_name(segment: str) -> str:
    """The name that `:name`, `*name` or a bare `*` (its name is `*`) gives its value."""
    return segment if segment == "*" else segment[1:]


def _check_segment(path: str, segment: str) -> None:
    if foreign := _FOREIGN_PARAMETER.search(segment):
        raise RouteError(f"in the path {path!r} write the parameter {segment!r} as ':{foreign[1]}'.")
    if segment in ("", ".", ".."):
        raise RouteError(f"the path {path!r} has the segment {segment!r}, which no request can name.")
    if impossible := _IMPOSSIBLE.search(segment):
        raise RouteError(
            f"the path {path!r} contains {impossible[0]!r}, which no request's path can contain here; "
            "write the path decoded and without a query."
        )
    if segment[0] in ":*" and segment != "*" and not _NAME.match(segment[1:]):
        raise RouteError(
            f"in the path {path!r} the segment {segment!r} needs a name of letters, digits and '_' "
            f"after the {segment[0]!r}."
        )


def _split(path: str) -> list[str]:
    segments = path.split("/")[1:]
    if segments and segments[-1] == "":
        segments.pop()
    return segments


class _Node(Generic[T]):
    """A position in a path: what may follow, and the routes that end here or take all the rest."""

    __slots__ = ("ends", "parameter", "rests", "statics")

    def __init__(self) -> None:
        self.statics: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.ends: dict[str, _Leaf[T]] = {}
        self.rests: dict[str, _Leaf[T]] = {}


class _Leaf(Generic[T]):
    __slots__ = ("names", "path", "target")

    def __init__(self, path: str, target: T, names: list[str]) -> None:
        self.path = path
        self.target = target
        self.names = names


class PathTable(Generic[T]):
    """Targets by method and path."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        # Paths without parameters need no walk: path as sent → method → target.
        self._exact: dict[str, dict[str, T]] = {}

    def add(self, method: str, path: str, target: T) -> None:
        """RouteError if the path is malformed, or if the method already has a route of this shape."""
        segments = parse_path(path)
        node = self._root
        names: list[str] = []
        is_rest = False
        for segment in segments:
            if segment[0] == ":":
                node.parameter = node.parameter or _Node()
                node = node.parameter
                names.append(parameter_name(segment))
            elif segment[0] == "*":
                is_rest = True
                names.append(parameter_name(segment))
            else:
                node = node.statics.setdefault(segment, _Node())
        leaves = node.rests if is_rest else node.ends
        if method in leaves:
            verb = "any method" if method == ANY_METHOD else method
            raise RouteError(
                f"{verb} {path} is already routed as {leaves[method].path}; "
                "remove one of the two, or give it another path."
            )
        leaves[method] = _Leaf(path, target, names)
        if not names:
            self._add_exact(segments, node)

    def _add_exact(self, segments: list[str], node: _Node[T]) -> None:
        by_method = {method: leaf.target for method, leaf in node.ends.items()}
        if "GET" in by_method:
            by_method.setdefault("HEAD", by_method["GET"])
        path = "/" + "/".join(segments)
        self._exact[path] = by_method
        if segments:
            self._exact[path + "/"] = by_method

    def find(self, method: str, path: str, raw_path: bytes) -> tuple[T, dict[str, str]] | None:
        """The target for a request and the values of its parameters, or None.

        `path` is decoded, `raw_path` as sent: an encoded slash does not divide segments. BadRequest for a
        path that is not UTF-8 or contains NUL.
        """
        by_method = self._exact.get(path)
        if by_method is not None and b"%" not in raw_path:
            target = by_method.get(method)
            if target is not None:
                return target, {}
        segments = request_segments(path, raw_path)
        for leaves, values in _walk(self._root, segments, 0, ()):
            leaf = leaves.get(method) or (method == "HEAD" and leaves.get("GET")) or leaves.get(ANY_METHOD)
            if leaf:
                return leaf.target, dict(zip(leaf.names, values, strict=True))
        return None

    def methods_of(self, path: str, raw_path: bytes) -> dict[str, T]:
        """The methods that have a route for this path, sorted, each with its target."""
        found: dict[str, T] = {}
        for leaves, _ in _walk(self._root, request_segments(path, raw_path), 0, ()):
            for method, leaf in leaves.items():
                found.setdefault(method, leaf.target)
        if "GET" in found:
            found.setdefault("HEAD", found["GET"])
        return dict(sorted(found.items()))


def request_segments(path: str, raw_path: bytes) -> list[str]:
    """The decoded segments of a request's path. BadRequest if they are not UTF-8 or contain NUL."""
    if b"%" not in raw_path:
        segments = _split(path)
    else:
        try:
            segments = _split("/".join(map(_decode_but_slashes, raw_path.split(b"/"))))
        except UnicodeDecodeError:
            raise BadRequest("The path is not valid UTF-8 after decoding its %-escapes.") from None
        segments = [segment.replace(_ENCODED_SLASH, "/") for segment in segments]
    if any("\x00" in segment for segment in segments):
        raise BadRequest("The path contains a NUL character.")
    return segments


# Stands for a decoded slash until the segments are divided; a lone surrogate cannot be in valid UTF-8.
_ENCODED_SLASH = "\udc2f"


def _decode_but_slashes(raw_segment: bytes) -> str:
    return unquote_to_bytes(raw_segment).decode("utf-8").replace("/", _ENCODED_SLASH)


def _walk(
    node: _Node[T], segments: list[str], at: int, values: tuple[str, ...]
) -> Iterator[tuple[dict[str, _Leaf[T]], tuple[str, ...]]]:
    """Every set of routes that fits, the most specific first, with the values of its parameters."""
    if at == len(segments):
        if node.ends:
            yield node.ends, values
    else:
        segment = segments[at]
        following = node.statics.get(segment)
        if following is not None:
            yield from _walk(following, segments, at + 1, values)
        if node.parameter is not None and segment:
            yield from _walk(node.parameter, segments, at + 1, (*values, segment))
    if node.rests:
        yield node.rests, (*values, "/".join(segments[at:]))
