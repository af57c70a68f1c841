"""The migrations make the schema that the code speaks of, once, whoever asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.config import Settings
from app.core.migration import alembic_config, migrate
from app.models import metadata
from tests.plumbing import PREFIX, TestServices, drop, own

pytestmark = pytest.mark.real


@pytest.mark.filterwarnings("ignore:Expression .* detected to include an operator clause")
def test_the_migrated_schema_is_what_the_models_say(real_database: Settings) -> None:
    engine = sa.create_engine(real_database.database_url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    assert found == []


def test_an_up_to_date_database_is_left_alone(real_database: Settings) -> None:
    assert migrate(real_database) is False


@contextmanager
def empty_database(services: TestServices, name: str) -> Iterator[Settings]:
    with services.admin() as admin:
        drop(admin, name)
        own(admin, name, prefix=PREFIX)
    try:
        yield services.with_database(name)
    finally:
        with services.admin() as admin:
            drop(admin, name)


def test_what_was_posted_before_the_sums_were_kept_is_summed_by_the_migration(services: TestServices) -> None:
    with empty_database(services, "fm_migrated_with_figures") as settings:
        migrate(settings)
        engine = sa.create_engine(settings.database_url)
        with engine.begin() as connection:
            command.downgrade(alembic_config(connection), "0002")
            connection.execute(sa.text("COMMENT ON SCHEMA public IS ''"))
            for month, amount in (("2026-01-01", "10"), ("2026-02-01", "5.5"), ("2026-02-01", "-5.5")):
                connection.execute(sa.text(
                    "INSERT INTO balance (client_id, engagement_id, account, currency, age_month, amount) "
                    "VALUES (:client, gen_random_uuid(), 'wip', 'GBP', CAST(:month AS date), :amount)"
                ), {"client": UUID(int=7), "month": month, "amount": amount})
        assert migrate(settings) is True
        with engine.connect() as connection:
            of_client = connection.execute(sa.text("SELECT client_id, amount FROM client_balance")).all()
            of_month = connection.execute(sa.text("SELECT age_month, amount FROM account_balance")).all()
        engine.dispose()
    assert of_client == [(UUID(int=7), Decimal(10))] and of_month == [(dt.date(2026, 1, 1), Decimal(10))]


def test_several_processes_that_start_at_once_migrate_once(services: TestServices) -> None:
    with empty_database(services, "fm_migrated_at_once") as settings, ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: migrate(settings), range(4))) == [False, False, False, True]


def test_every_table_is_under_forced_row_security(real_database: Settings) -> None:
    engine = sa.create_engine(real_database.database_url)
    with engine.connect() as connection:
        bare = connection.scalars(sa.text(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)"
        )).all()
    engine.dispose()
    assert bare == []
