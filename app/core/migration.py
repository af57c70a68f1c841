"""Bringing a database's schema up to date; safe when several processes start at once."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from app.config import Settings
from app.core.schema import SQL, create_all

LOCK = 7_135_002


def migrate(settings: Settings) -> bool:
    """Make the schema in an empty database; True when it was made just now."""
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        if sa.inspect(connection).get_table_names():
            return False
        create_all(
            settings.database_url, app_url=settings.database_app_url, portal_url=settings.database_portal_url
        )
    return True


def wanted_mark() -> str:
    """What a database is marked with whose schema is as this program wants it."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SQL.glob("*.sql")))).hexdigest()[:16]
    return f"firmament {digest}"
