"""Opening a PostgreSQL store: what is made, what is refused, and what is never shown."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.postgres.server import fresh_database
from tests.stores.postgres_help import ask, drop, fresh_url, open_store

from hypern.clock import SystemClock
from hypern.config import Settings, without_password
from hypern.errors import ConfigurationError, StoreUnusable
from hypern.records import Cancelled, Failed, TaskSpec
from hypern.stores.conformance.suite import NOW, claim_one, finish, kept, make_record
from hypern.stores.opening import open_store as open_by_url
from hypern.stores.overview import Filter, LogLine
from hypern.stores.postgres.address import parse

_OPENING = """
import sys
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore
from hypern.stores.conformance.suite import make_record
sys.stdin.read()
store = PostgresStore(parse(sys.argv[1]))
store.add(make_record(sys.argv[2]))
store.close()
"""


def test_eight_processes_begin_together(url: str) -> None:
    """On a database without tables: they are made once, and each process gets its task in."""
    started = [
        subprocess.Popen([sys.executable, "-c", _OPENING, url, f"n{number}"], stdin=subprocess.PIPE)
        for number in range(8)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in started] == [0] * 8
    store = open_store(url)
    assert len([kept(store, f"n{number}") for number in range(8)]) == 8
    store.close()


def test_tables_of_a_newer_version(url: str) -> None:
    """They are refused, and nothing is changed."""
    open_store(url).close()
    ask(url, "UPDATE {s}.meta SET value = '999' WHERE key = 'version'")
    with pytest.raises(StoreUnusable, match=r"version 999.*hypern_schema"):
        open_store(url)
    assert ask(url, "SELECT value FROM {s}.meta WHERE key = 'version'") == [("999",)]


def test_two_schemas_are_two_stores(url: str, postgres_server: str) -> None:
    """What is in one is not in the other."""
    other_url = fresh_url(postgres_server)
    one, other = open_store(url), open_store(other_url)
    one.add(make_record("one"))
    assert other.get("one") is None
    assert other.add(make_record("one")) is None
    one.close()
    other.close()
    drop(other_url)


def test_no_server_and_no_database(postgres_server: str) -> None:
    """It says what cannot be reached and never the password."""
    with pytest.raises(StoreUnusable) as refused:
        open_store("postgresql://somebody:secret@127.0.0.1:1/test?hypern_timeout=1")
    assert "secret" not in str(refused.value)
    assert "postgresql://somebody:***@127.0.0.1:1/test" in str(refused.value)
    missing = urlunsplit(urlsplit(postgres_server)._replace(path="/hypern_is_not_there"))
    with pytest.raises(StoreUnusable, match="does not exist"):
        open_store(missing)


def test_without_the_driver() -> None:
    """The error names what to install."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from hypern.tasks.engine import Engine; from hypern.config import Settings\n"
        "Engine(Settings(task_store='postgresql://localhost/test'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 1
    assert "pip install 'hypern[postgres]'" in done.stderr


def test_what_is_shown_of_a_url() -> None:
    """Passwords are replaced wherever they may stand."""
    assert (
        without_password("postgresql://u:p@h/d?sslpassword=x&a=b")
        == "postgresql://u:***@h/d?sslpassword=***&a=b"
    )
    assert without_password("postgresql://h/d?password=x") == "postgresql://h/d?password=***"
    assert without_password("sqlite:///tasks.db") == "sqlite:///tasks.db"
    settings = Settings(task_store="postgresql://u:hidden@h/d")
    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(parse("postgresql://u:hidden@h/d"))


@pytest.mark.parametrize("password", ["se/cret", "se@cret", "se%cret", "se%00cret", "secret@[", "1/secret"])
def test_passwords_that_spoil_the_url(password: str) -> None:
    """They are refused, and shown neither by us nor by libpq."""
    with pytest.raises(ConfigurationError) as refused:
        parse(f"postgresql://ann:{password}@host/db")
    assert "cret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql:///db?host=/run/pg&hypern_timeout=1", {"dbname": "db", "host": "/run/pg"}),
        ("postgres://%2Frun%2Fpg:1/db", {"dbname": "db", "host": "/run/pg", "port": "1"}),
        ("postgresql://?hypern_schema=a", {}),
        ("postgresql://u:p#?[%40@h", {"user": "u", "password": "p#?[@", "host": "h"}),
        ("postgresql://u@[::1]:1,h:2/d", {"user": "u", "host": "::1,h", "port": "1,2", "dbname": "d"}),
        ("postgresql://h?hypern%5Fschema=a&options=-c%20x%3Da+b", {"host": "h", "options": "-c x=a+b"}),
    ],
)
def test_what_libpq_is_told(url: str, wanted: dict[str, str]) -> None:
    """All that is not ours, as libpq itself would have read it."""
    assert conninfo_to_dict(parse(url).url) == wanted


def test_schemas_that_are_words_of_sql(postgres_server: str) -> None:
    """What could not stand in a statement is refused by name; what can is a name like others."""
    for name in ("order", "user", "left"):
        with pytest.raises(StoreUnusable, match=f"{name}_tasks"):
            open_store(f"{postgres_server}?hypern_schema={name}")
    with fresh_database(postgres_server) as url:
        open_store(f"{url}?hypern_schema=values").close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("hypern_schema=Big-Name", "hypern_schema"),
        ("hypern_schema=pg_tasks", "pg_"),
        ("hypern_timeout=0", "hypern_timeout"),
        ("hypern_colour=red", "hypern_colour"),
        ("no_such_parameter=1", "no_such_parameter"),
    ],
)
def test_options_that_cannot_work(query: str, said: str) -> None:
    """Each is refused by name, before anything is opened."""
    with pytest.raises(ConfigurationError, match=said):
        open_by_url(Settings(task_store=f"postgresql://h/d?{query}"), SystemClock())


def test_statements_are_prepared_once(url: str) -> None:
    """On a connection of its own session, the server plans each statement once."""
    store = open_store(url)
    link = store._database.connect("test")
    for _ in range(3):
        link.rows("SELECT %b::int", (1,))
    assert link.rows("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int'") == [(1,)]
    store.close()


def test_names_with_any_character(url: str) -> None:
    """What a task is called stands in its statement as it is, whatever it looks like."""
    store = open_store(url)
    strange = "it's %b, %priority \\ \u201cnaïve\u201d"
    for number in range(2):
        record = make_record(f"n{number}")
        record.spec = TaskSpec.of(
            strange, record.spec.func, record.spec.target, record.spec.lane, record.spec.rules
        )
        store.add(record)
    assert [kept(store, f"n{number}").name for number in range(2)] == [strange] * 2
    store.close()


ELSEWHERE = '\u20ac \u65e5\u672c \U0001f600 \\ " \xfc'


def test_a_database_with_another_encoding(postgres_server: str) -> None:
    """What it has no character for does not keep a task from being added or its end from being written."""
    with fresh_database(postgres_server, "ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'") as url:
        store = open_store(url, capacity=10)
        store.serve(1, None)
        store.add(make_record("one", unique_key=ELSEWHERE))
        store.add_many([make_record("two", args=(ELSEWHERE,)), make_record("again", unique_key=ELSEWHERE)])
        assert store.get("again") is None
        for end in (Failed(ELSEWHERE, ELSEWHERE), Cancelled(ELSEWHERE)):
            record = claim_one(store)
            store.log(record, record.fence, [LogLine(NOW, 20, "log", ELSEWHERE)])
            finish(store, record, record.fence, end, NOW)
        store.flush()
        shown = ELSEWHERE.replace("\u20ac", "&#8364;").replace("\u65e5\u672c", "&#26085;&#26412;")
        shown = shown.replace("\U0001f600", "&#128512;")
        assert (kept(store, "one").error, kept(store, "two").reason) == (shown, shown)
        assert [line.text for line in store.logs("two")] == [shown]
        assert store.get(ELSEWHERE) is None
        assert store.ids(Filter(text=ELSEWHERE)).ids == ["one"]
        store.close()
