"""What the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dashboard.site import TOKEN, Site

from hypern.tasks.runtime import use_engine
from hypern.testing import TestClient


@pytest.fixture(params=["memory", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site whose tasks run, for each kind of store that needs no server."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"
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
