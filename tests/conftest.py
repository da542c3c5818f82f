"""What tests of every part may ask for."""

from tests.postgres.fixtures import (  # noqa: F401 - pytest finds fixtures by their names here
    postgres_server,
    postgres_url,
    private_postgres,
    private_server,
)
