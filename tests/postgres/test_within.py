"""Tasks that are submitted within a transaction of the application's exist exactly if it commits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from tests.tasks.conftest import WAIT

from hypern import background, cancel_task, get_task, submit_many, submit_task
from hypern.config import Settings
from hypern.errors import InvalidOption, QueueFull
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import use_engine


@background()
def add(a: int, b: int) -> int:
    return a + b


@background(unique="only", unique_for=3600.0)
def one_of_a_kind() -> None: ...


@background(delay_seconds=3600, queue="later")
def later() -> None: ...


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = Engine(Settings(task_store=postgres_url, task_workers=1))
    before = use_engine(engine)
    yield engine
    use_engine(before)
    engine.discard()


Open = Callable[[], contextlib.AbstractContextManager[Any]]


@pytest.fixture(params=["psycopg", "connection", "session", "scoped session"])
def begin(request: pytest.FixtureRequest, postgres_url: str, engine: Engine) -> Iterator[Open]:
    """Opens a transaction on a connection of one kind; it commits at the end of the block."""
    if request.param == "psycopg":
        with psycopg.connect(postgres_url, row_factory=psycopg.rows.dict_row) as connection:
            yield lambda: _transaction(connection)
        return
    database = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    if request.param == "connection":
        yield database.begin
    elif request.param == "session":
        yield lambda: _session(Session(database))
    else:
        yield lambda: _session(scoped_session(sessionmaker(database)))
    database.dispose()


@contextlib.contextmanager
def _transaction(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    with connection.transaction():
        yield connection


@contextlib.contextmanager
def _session(session: Any) -> Iterator[Any]:
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()


def test_commit(begin: Open, engine: Engine) -> None:
    """The id is there at once, the task with the commit; then it is run without anybody else's doing."""
    with begin() as connection:
        task_id = add.with_options(connection=connection)(1, 2)
        assert get_task(task_id) is None
    assert engine.wait_until(lambda: get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]
    assert get_task(task_id).result == 3  # type: ignore[union-attr]


def test_rollback(begin: Open, engine: Engine) -> None:
    """After a rollback there has never been a task."""
    with pytest.raises(ZeroDivisionError), begin() as connection:
        ids = [
            submit_task(add, (1, 2), connection=connection),
            *later.with_options(connection=connection).submit_many([(), ()]),
        ]
        raise ZeroDivisionError
    assert [get_task(task_id) for task_id in ids] == [None] * 3
    assert engine.store.count() == dict.fromkeys(engine.store.count(), 0)


def test_many(begin: Open) -> None:
    """submit_many of a task, and of several."""
    with begin() as connection:
        ids = add.with_options(connection=connection).submit_many([(1, 1), (2, 2)])
        ids += submit_many([(later.with_options(connection=connection), ())])
    assert all(get_task(task_id) is not None for task_id in ids)


def test_unique(begin: Open) -> None:
    """A key is taken within the transaction, and by those before it; after a rollback it is free."""
    with pytest.raises(ZeroDivisionError), begin() as connection:
        one_of_a_kind.with_options(connection=connection, delay_seconds=60)()
        raise ZeroDivisionError
    with begin() as connection:
        task = one_of_a_kind.with_options(connection=connection, delay_seconds=60)
        first = task()
        assert task() == first
    assert one_of_a_kind() == first
    cancel_task(first)
    with begin() as connection:
        assert one_of_a_kind.with_options(connection=connection)() == first


def test_an_id_that_is_known(begin: Open) -> None:
    """Submitting it again adds nothing."""
    for _ in range(2):
        with begin() as connection:
            assert later.with_options(connection=connection, task_id="mine")() == "mine"
    assert get_task("mine").is_pending()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "way", ["raw", "client", "without an encoding", "pipeline", "a cursor of the server"]
)
def test_connections_with_ways_of_their_own(way: str, postgres_url: str, engine: Engine) -> None:
    """Whatever they are set to for the statements of the application, ours are answered as ever."""
    factory = {"raw": psycopg.RawCursor, "client": psycopg.ClientCursor}.get(way, psycopg.Cursor)
    connect = psycopg.connect(postgres_url, cursor_factory=factory)  # type: ignore[arg-type]
    with connect as plain, contextlib.ExitStack() as stack:
        connection: Any = plain
        if way == "without an encoding":
            plain.execute("SET client_encoding = SQL_ASCII")
        elif way == "pipeline":
            stack.enter_context(plain.pipeline())
        elif way == "a cursor of the server":
            database = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
            stack.callback(database.dispose)
            connection = stack.enter_context(database.connect()).execution_options(stream_results=True)
        task_id = one_of_a_kind.with_options(connection=connection, delay_seconds=60)()
        assert one_of_a_kind.with_options(connection=connection)() == task_id
        added = add.with_options(connection=connection)(1, 2)
        assert get_task(added) is None
        connection.commit()
        assert get_task(task_id) is not None
        assert get_task(added) is not None


class Named:
    """As psycopg2's connections with its RealDictCursor."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.commit = connection.commit

    def cursor(self) -> psycopg.Cursor[dict[str, Any]]:
        return self._connection.cursor(row_factory=psycopg.rows.dict_row)


def test_rows_with_names(postgres_url: str, engine: Engine) -> None:
    """A connection that gives rows by name adds a task like others."""
    with psycopg.connect(postgres_url) as connection:
        task_id = later.with_options(connection=Named(connection))()
    assert get_task(task_id) is not None


def test_awaited_connections(postgres_url: str, engine: Engine) -> None:
    """psycopg's and SQLAlchemy's asynchronous kinds, committed and rolled back."""

    async def main() -> tuple[list[str], list[str]]:
        kept, dropped = [], []
        async with await psycopg.AsyncConnection.connect(
            postgres_url, cursor_factory=psycopg.AsyncRawCursor
        ) as connection:
            kept.append(await add.with_options(connection=connection).submit_async(1, 2))
            await connection.commit()
            dropped.append(await add.with_options(connection=connection).submit_async(1, 2))
            await connection.rollback()
            with pytest.raises(InvalidOption, match="submit_async"):
                add.with_options(connection=connection)(1, 2)
        database = create_async_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
        async with AsyncSession(database) as session:
            kept.append(await add.with_options(connection=session).submit_async(1, 2))
            await session.commit()
            dropped.append(await add.with_options(connection=session).submit_async(1, 2))
        async with database.begin() as async_connection:
            kept.append(await add.with_options(connection=async_connection).submit_async(1, 2))
        with psycopg.connect(postgres_url) as plain:
            kept.append(await add.with_options(connection=plain).submit_async(1, 2))
        await database.dispose()
        return kept, dropped

    kept, dropped = asyncio.run(main())
    for task_id in kept:
        assert engine.wait_until(lambda: get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]  # noqa: B023
    assert [get_task(task_id) for task_id in dropped] == [None, None]


def test_room(postgres_url: str) -> None:
    """QueueFull, and the transaction goes on."""
    engine = Engine(Settings(task_store=postgres_url, task_workers=0, task_queue_size=1))
    before = use_engine(engine)
    with psycopg.connect(postgres_url) as connection:
        later.with_options(connection=connection)()
        with pytest.raises(QueueFull):
            later.with_options(connection=connection)()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert engine.store.totals()[0].submitted == 1
    use_engine(before)
    engine.discard()


def test_connections_to_elsewhere(postgres_server: str, engine: Engine, tmp_path: Path) -> None:
    """A database without the tables, one of another kind, and what is no connection are refused."""
    with (
        psycopg.connect(postgres_server) as connection,
        pytest.raises(InvalidOption, match="without its tables"),
    ):
        add.with_options(connection=connection)(1, 2)
    lite = sa.create_engine("sqlite://")
    with lite.begin() as other, pytest.raises(InvalidOption, match="speaks to sqlite"):
        add.with_options(connection=other)(1, 2)
    lite.dispose()
    with pytest.raises(InvalidOption, match="not dict"):
        add.with_options(connection={})(1, 2)
    only_cursors = type("OfAsyncpg", (), {"cursor": print})()
    with pytest.raises(InvalidOption, match="not OfAsyncpg"):
        add.with_options(connection=only_cursors)(1, 2)
    with pytest.raises(InvalidOption, match="one call"):
        background(connection={})  # type: ignore[call-overload]


def test_another_database_with_tables(postgres_url: str, postgres_server: str, engine: Engine) -> None:
    """Where the connection leads to other task tables than those of the store, nothing is added."""
    from tests.postgres.server import fresh_database

    with fresh_database(postgres_server) as elsewhere:
        other = Engine(Settings(task_store=elsewhere, task_workers=0))
        with psycopg.connect(elsewhere) as connection, pytest.raises(InvalidOption, match="to another"):
            add.with_options(connection=connection)(1, 2)
        assert other.store.totals() == []
        other.discard()


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/tasks.db"])
def test_stores_that_cannot(tmp_path: Path, url: str) -> None:
    """Only PostgreSQL can; the message says so."""
    engine = Engine(Settings(task_store=url.format(tmp_path)))
    before = use_engine(engine)
    with pytest.raises(InvalidOption, match="postgresql://"):
        add.with_options(connection=object())(1, 2)
    with pytest.raises(InvalidOption, match="postgresql://"):
        asyncio.run(add.with_options(connection=object()).submit_async(1, 2))
    use_engine(before)
    engine.discard()
