"""Bringing a database's schema up to date; safe when several processes start at once."""

from __future__ import annotations

import sqlalchemy as sa

from app.config import Settings
from app.core.schema import create_all

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
