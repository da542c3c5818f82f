"""What the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dashboard.site import TOKEN, Site

from hypern.tasks.runtime import use_engine
from hypern.testing import TestClient


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site whose tasks run, in memory unless a test names other stores."""
    match getattr(request, "param", "memory"):
        case "postgres":
            store = request.getfixturevalue("postgres_url")
        case "sqlite":
            store = f"sqlite:///{tmp_path}/tasks.db"
        case _:
            store = "memory://"
    made = Site(store)
    made.app.engine.start()
    yield made
    made.app.engine.discard()
    use_engine(None)


@pytest.fixture
def ann(site: Site) -> Iterator[TestClient]:
    """Somebody who may do everything."""
    client = site.client(TOKEN)
    yield client
    client.close()
