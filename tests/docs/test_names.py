"""The documentation leaves nothing out, and names nothing that is not there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from tests.docs.pages import EXAMPLES, PAGES, ROOT

import hypern
from hypern.http import middleware
from hypern.http.answer import Answer
from hypern.http.forms import FormData, UploadedFile

TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())

_LINK = re.compile(r"\]\(([^)#:]+)\)")
_TABLE_ROW = re.compile(r"^\| `(\w+)` \| `(.*?)` \|", re.MULTILINE)


def _public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def _missing(names: list[str], text: str) -> list[str]:
    words = set(re.findall(r"\w+", text))
    return [name for name in names if name not in words]


def test_every_public_name_is_mentioned() -> None:
    """Whatever `hypern.__all__` offers stands in the README or on a page of docs/."""
    assert _missing(hypern.__all__, ALL) == []


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    """The table of settings has the keywords of `Hypern(...)`, in their order, and their defaults."""
    settings = hypern.config.Settings()
    expected = [
        (name, repr(getattr(settings, name, parameter.default)))
        for name, parameter in inspect.signature(hypern.Hypern).parameters.items()
    ]
    table = TEXTS["README.md"].partition("\n## Settings\n")[2].partition("\n## ")[0]
    assert [(name, default.replace('"', "'")) for name, default in _TABLE_ROW.findall(table)] == expected


@pytest.mark.parametrize(
    "kind",
    [hypern.Hypern, hypern.Router, hypern.Request, hypern.Response, hypern.Context, FormData, UploadedFile],
)
def test_every_call_is_in_the_reference(kind: type) -> None:
    """Each public method and attribute of what handlers work with stands in docs/http.md or the README."""
    calls = [name for name in _public(kind) if name not in vars(Answer)]
    assert _missing(calls, TEXTS["http.md"] + TEXTS["README.md"]) == []


def test_every_middleware_is_in_the_reference() -> None:
    """Each ready-made middleware stands in docs/http.md, with its keywords."""
    ours = [value for value in vars(middleware).values() if inspect.isclass(value)]
    ours = [kind for kind in ours if kind.__module__ == middleware.__name__]
    keywords = [name for kind in ours for name in inspect.signature(kind).parameters]
    assert _missing([kind.__name__ for kind in ours] + keywords, TEXTS["http.md"]) == []


def test_every_field_of_a_result_is_in_the_reference() -> None:
    """Each field and question of `TaskResult` stands in docs/lifecycle.md."""
    fields = [name for name in _public(hypern.TaskResult) if name != "of"]
    assert _missing(fields, TEXTS["lifecycle.md"]) == []


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """What a page links to within the project exists."""
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_files_of_the_steps_exist() -> None:
    """The modules that docs/lifecycle.md names are there."""
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", TEXTS["lifecycle.md"])
    assert named
    assert [name for name in named if not (ROOT / "src" / "hypern" / name).exists()] == []


def test_commands_of_the_readme_exist() -> None:
    """Each `make …` that the README names is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(re.findall(r"(?:`|\$ )make (\w+)", TEXTS["README.md"]))
    assert {"demo", "test"} <= commands <= targets
