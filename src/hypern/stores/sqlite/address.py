"""From `sqlite:///tasks.db?synchronous=normal` to the file and the settings that it names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from hypern.errors import ConfigurationError

_SYNCHRONOUS = ("full", "normal", "extra")


@dataclass(frozen=True, slots=True)
class Address:
    """`path`: absolute, symbolic links followed. `synchronous`: `"full"` survives a power cut, `"normal"`
    may lose the last moments before one."""

    path: Path
    synchronous: str = "full"

    @property
    def workers(self) -> Path:
        """The directory of the files by which processes see each other live."""
        return self.path.with_name(self.path.name + "-workers")


def parse(url: str) -> Address:
    """Raises ConfigurationError, saying what is wrong with the URL."""
    try:
        parts = urlsplit(url)
        url.encode()
    except ValueError:
        raise ConfigurationError(
            f"task_store={url!r} cannot be read as a URL. Write 'sqlite:///tasks.db' for a file in the "
            "current directory, and %5B for a '['."
        ) from None
    name = unquote(parts.path)[1:]
    if "#" in url or "\0" in name:
        raise ConfigurationError(
            f"task_store={url!r} has a '#' or a null byte in it, which spoils a path. Write %23 for a '#', "
            "as in 'sqlite:///tasks%231.db'."
        )
    if parts.netloc or not name or name == ":memory:" or name.endswith("/"):
        raise ConfigurationError(
            f"task_store={url!r} does not name a file. Write 'sqlite:///tasks.db' for a file in the current "
            "directory, 'sqlite:////var/lib/app/tasks.db' for an absolute path, or 'memory://' to keep "
            "nothing."
        )
    options = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key != "synchronous" or value.lower() not in _SYNCHRONOUS:
            raise ConfigurationError(
                f"task_store={url!r} has the unknown option {key}={value}; there is only "
                f"synchronous={'|'.join(_SYNCHRONOUS)}."
            )
        options[key] = value.lower()
    return Address(Path(os.path.realpath(name)), **options)
