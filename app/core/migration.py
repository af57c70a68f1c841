"""Bringing a database's schema up to date; safe when several processes start at once."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.config import Settings
from app.core.schema import SQL, apply_sql, make_extensions, role_names

LOCK = 7_135_002


def alembic_config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SQL.parent).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def wanted_mark() -> str:
    """What a database is marked with whose schema is as this program wants it."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SQL.glob("*.sql")))).hexdigest()[:16]
    return f"firmament {head} {digest}"


def migrate(settings: Settings) -> bool:
    """Run the migrations that are missing, then the SQL that can be run again; True when anything was done."""
    roles = role_names(settings.database_url, settings.database_app_url, settings.database_portal_url)
    mark = f"{wanted_mark()} {roles['app']} {roles['portal']}"
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            if connection.scalar(sa.text("SELECT obj_description('public'::regnamespace, 'pg_namespace')")) == mark:
                return False
            make_extensions(connection)
            connection.commit()
            command.upgrade(alembic_config(connection), "head")
            apply_sql(connection, roles)
            connection.exec_driver_sql("COMMENT ON SCHEMA public IS '" + mark.replace("'", "") + "'")
            connection.commit()
    finally:
        engine.dispose()
    return True
