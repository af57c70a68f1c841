"""The parts of the schema that models cannot say: extensions, triggers, privileges, row-level security."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

SQL = Path(__file__).parents[2] / "migrations" / "sql"
EXTENSIONS = ("citext", "pg_trgm", "btree_gist", "unaccent")


def role_names(url: str, app_url: str = "", portal_url: str = "") -> dict[str, str]:
    """Owner, app and portal role: those of the URLs, or stand-ins named after the database's owner."""
    owner = sa.make_url(url).username or "postgres"
    return {
        "owner": owner,
        "app": (sa.make_url(app_url).username if app_url else "") or owner,
        "portal": (sa.make_url(portal_url).username if portal_url else "") or f"{owner}_portal",
    }


def make_extensions(connection: sa.Connection) -> None:
    for name in EXTENSIONS:
        connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {name}")


def make_portal_role(connection: sa.Connection, name: str) -> None:
    """A role without login that SET LOCAL ROLE can stand in with, when the portal has no login of its own."""
    if not connection.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}):
        connection.exec_driver_sql(f'CREATE ROLE "{name}" NOLOGIN')
        connection.exec_driver_sql(f'GRANT "{name}" TO CURRENT_USER')


def apply_sql(connection: sa.Connection, roles: dict[str, str]) -> None:
    """Run the SQL files in order; all of them can be run again."""
    make_portal_role(connection, roles["portal"])
    quoted = {key: f'"{name}"' for key, name in roles.items()}
    for path in sorted(SQL.glob("*.sql")):
        text = path.read_text()
        if path.name >= "40":
            text = text.replace("{{}}", "\0")
            for key, name in quoted.items():
                text = text.replace("{" + key + "}", name)
            text = text.replace("\0", "{}")
        # The driver's own cursor: nothing in these files is a parameter.
        connection.connection.cursor().execute(text.encode())
