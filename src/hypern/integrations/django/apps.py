"""What Django calls when it starts: Hypern's settings from the project's."""

from __future__ import annotations

from collections.abc import Mapping

from django.apps import AppConfig
from django.conf import settings
from django.db import close_old_connections

from hypern.config import Settings
from hypern.errors import ConfigurationError
from hypern.events import Event
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import configure_default


class HypernConfig(AppConfig):  # type: ignore[misc]  # Django comes without types
    name = "hypern.integrations.django"
    label = "hypern"
    verbose_name = "Hypern background tasks"

    def ready(self) -> None:
        """Raises ConfigurationError for a setting that cannot work."""
        given = getattr(settings, "HYPERN", {})
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"the setting HYPERN is a dict of settings, not {given!r}.")
        try:
            chosen = Settings.read(**given)
        except TypeError:
            known = ", ".join(Settings.__dataclass_fields__)
            raise ConfigurationError(f"the setting HYPERN knows {known}, not all of {list(given)}.") from None
        configure_default(chosen, _prepare)


def _prepare(engine: Engine) -> None:
    engine.events.listen(_renew_connections)


def _renew_connections(event: Event) -> None:
    """A task's thread lives long: a database connection that has broken, or is older than CONN_MAX_AGE, is
    not used for another task, as Django has it for requests."""
    if event.name == "started":
        close_old_connections()
