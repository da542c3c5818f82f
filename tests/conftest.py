"""What tests of every part may ask for."""

import signal
from collections.abc import Generator

import pytest
from tests.postgres.fixtures import (  # noqa: F401 - pytest finds fixtures by their names here
    postgres_server,
    postgres_url,
    private_postgres,
    private_server,
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts what is put behind it deaf to Ctrl-C, and so would be the programs
    # that these tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tests run in processes of their own, and what they print is sent as UTF-8, which has no halves of
    characters."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode("utf-8")) for name, text in report.sections
    ]
    return report
