"""What events vouched for in an older version is proven as it was told, whatever columns have come since."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.activity.covers import kinds, newest, table_of
from app.billing.commands.credit import credit_invoice
from app.billing.models import Invoice
from app.config import Settings
from app.core.actors import SYSTEM
from app.core.backing.provision import database_url
from app.core.db import db
from app.core.ids import new_id
from app.core.migration import migrate
from app.core.proofs import run_proofs
from tests.core.test_migrating_an_older_firm import running_app
from tests.core.test_migration import at_revision, empty_database
from tests.plumbing import TestServices, as_owner

pytestmark = pytest.mark.real
ROWS = Path(__file__).parents[1] / "data" / "older" / "digests_of_version_1.copy.gz"
IN_STORAGE = ("documents.objects", "events.anchors", "objects.digests")


def load(services: TestServices, name: str) -> None:
    """The rows as they were, into the schema of their time, with every trigger asleep."""
    url = sa.make_url(database_url(services.port, services.credentials, login="postgres", database=name))
    engine = sa.create_engine(
        url.set(username="postgres", password=services.credentials.postgres_password), poolclass=sa.NullPool
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        cursor = connection.connection.cursor()
        blocks = re.findall(rb"^(COPY [^\n]*);\n(.*?)^\\\.\n", gzip.decompress(ROWS.read_bytes()), re.M | re.S)
        cursor.execute(b"TRUNCATE " + b", ".join(copy.split()[1] for copy, _lines in blocks) + b" CASCADE")
        for copy, lines in blocks:
            with cursor.copy(copy) as rows:
                rows.write(lines)
        for table, column, sequence in cursor.execute("""
            SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name)
            FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id'
            UNION ALL SELECT 'event', 'id', 'event_id_seq'
        """).fetchall():
            if sequence:
                cursor.execute(f"SELECT setval('{sequence}', max({column})) FROM \"{table}\"".encode())
    engine.dispose()


@pytest.fixture
def older(services: TestServices) -> Iterator[Settings]:
    name = f"fm_{os.getpid()}_digests"
    with empty_database(services, name) as settings:
        at_revision(settings, "0022").dispose()
        load(services, name)
        assert migrate(settings) is True
        yield settings


def faults() -> list[str]:
    return [
        f"{name}: {one.subject} {one.message}"
        for name, found in run_proofs() if name not in IN_STORAGE for one in found if not one.note
    ]


def test_what_was_told_in_an_older_version_holds_after_every_migration_since(older: Settings) -> None:
    with running_app(older):
        assert faults() == []
        for bill in db.session.scalars(sa.select(Invoice).where(Invoice.number == "INV-00003")):
            credit_invoice(bill, new_id(), "Begun anew", by=SYSTEM)
        assert faults() == []


def test_what_was_told_in_an_older_version_still_finds_what_was_changed(older: Settings) -> None:
    with running_app(older):
        as_owner(older, "invoice_line", "UPDATE invoice_line SET description = 'Else' WHERE description <> ''")
        as_owner(older, "posting", "UPDATE posting SET aged_on = aged_on - 1 WHERE account = 'revenue'")
        found = " ".join(faults())
        assert "billing.told: bill INV-00001 is not what it was" in found
        assert "ledger.told: transactions 0 to" in found


def test_a_column_that_comes_later_changes_no_digest_of_what_stood_before(older: Settings) -> None:
    tables = {one.name for kind in kinds() for one in _tables_of(kind)}
    assert len(tables) >= 11
    for table in sorted(tables):
        as_owner(older, table, f"ALTER TABLE {table} ADD COLUMN came_later text NOT NULL DEFAULT 'unknown'")
    with running_app(older):
        assert faults() == []


def _tables_of(kind: str) -> list[sa.Table]:
    return [newest(kind).table, *(table_of(part.model) for part in newest(kind).parts)]
