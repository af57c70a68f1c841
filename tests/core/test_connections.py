"""What a connection has prepared outlives the transactions that only read, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg import _queries as psycopg_queries

from app.core.connections import PreparedConnection, keep_prepared
from app.core.db import db

QUESTION = "SELECT count(*) FROM firm WHERE name <> %s"


@pytest.fixture
def engine(app: Flask) -> Iterator[sa.Engine]:
    """An engine like the product's, with a connection of its own."""
    with app.app_context():
        made = sa.create_engine(db.engine.url, pool_size=1, max_overflow=0)
        keep_prepared(made)
        yield made
        made.dispose()


def prepared_on(connection: psycopg.Connection[tuple[int]]) -> int:
    asked = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%firm WHERE%'"
    row = connection.execute(asked).fetchone()
    assert row is not None
    return row[0]


def test_the_product_opens_connections_that_keep_what_they_prepared(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        assert isinstance(connection.connection.dbapi_connection, PreparedConnection)


def test_a_page_that_only_reads_finds_its_statements_prepared_the_next_time(engine: sa.Engine) -> None:
    for _ in range(8):
        with engine.connect() as connection:
            connection.exec_driver_sql(QUESTION, ("nobody",))
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, PreparedConnection)
        assert prepared_on(raw) == 1


def test_what_a_transaction_has_set_ends_with_it(engine: sa.Engine) -> None:
    """So does the reach of a contact at the portal, which lasts for one transaction."""
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT set_config('firmament.contact', 'somebody', true), pg_current_xact_id()")
        connection.rollback()
        left = "SELECT current_setting('firmament.contact', true), pg_current_xact_id_if_assigned()"
        assert connection.exec_driver_sql(left).one() == ("", None)


def test_nothing_can_be_created_on_them_that_a_rollback_would_take_away(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        for kind in ("TEMP TABLE", "TABLE"):
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                connection.exec_driver_sql(f"CREATE {kind} written_down (words text)")
            connection.rollback()


def test_a_failed_transaction_is_rolled_back_too(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(sa.exc.DataError):
            connection.exec_driver_sql("SELECT 1 / 0")
        connection.rollback()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_connection_that_was_cut_is_given_up(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with db.engine.connect() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with pytest.raises(sa.exc.OperationalError):
            connection.rollback()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() != pid


def test_columns_are_named_and_typed_as_the_driver_says(engine: sa.Engine) -> None:
    asked = "SELECT 1 AS one, 'x'::text AS \"Größe\", NULL::uuid AS \"?\", ARRAY[1] AS many"
    with engine.connect() as connection:
        ours = connection.connection.cursor()
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, PreparedConnection)
        theirs = psycopg.Cursor(raw)
        for cursor in (ours, theirs):
            cursor.execute(asked)
        assert theirs.description is not None and ours.description is not None
        assert [column[:2] for column in ours.description] == [tuple(each)[:2] for each in theirs.description]
        assert {len(column) for column in ours.description} == {7}
        for nothing in ("SET LOCAL work_mem = '4MB'", "UPDATE firm SET name = name WHERE false"):
            ours.execute(nothing)
            assert ours.description is None
        ours.execute("SELECT FROM firm")
        assert ours.description == []


def test_a_long_statement_is_read_for_its_placeholders_once(engine: sa.Engine) -> None:
    """Held here since the driver's limit is none of its promises."""
    asked = f"SELECT %s AS one /* {'x' * 10_000} */"
    with engine.connect() as connection:
        before = psycopg_queries._query2pg.cache_info()
        for _ in range(3):
            assert connection.exec_driver_sql(asked, ("a",)).scalar() == "a"
        after = psycopg_queries._query2pg.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
