"""Where the benchmark lives: services of its own, a filled database for each size, a copy to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from app.config import Settings
from app.core.backing import take_lease
from app.core.backing.credentials import Credentials
from app.core.backing.lease import Lease, locked
from app.core.backing.processes import LOOPBACK
from app.core.backing.provision import Admin, connect_as_admin, database_url, make_bucket, make_logins, own
from app.core.schema import SQL

HERE = Path(__file__).parent
PREFIX = "bench"
LOGINS = ("owner", "app", "portal")


@dataclass
class Place:
    """The running services of the benchmark, and how its databases are reached."""

    settings: Settings
    lease: Lease
    web_port: int

    @property
    def credentials(self) -> Credentials:
        return self.lease.credentials()

    @property
    def port(self) -> int:
        return self.lease.ports["postgres"]

    def admin(self, database: str = "postgres") -> Admin:
        return connect_as_admin(self.port, self.credentials, database)

    def superuser_url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres:{self.credentials.postgres_password}@{LOOPBACK}:{self.port}/{database}"

    def settings_for(self, database: str) -> Settings:
        owner, app, portal = (
            database_url(self.port, self.credentials, login=f"{PREFIX}_{kind}", database=database) for kind in LOGINS
        )
        return replace(self.settings, database_url=owner, database_app_url=app, database_portal_url=portal)


@contextmanager
def running(web_port: int) -> Iterator[Place]:
    """PostgreSQL, Valkey and S3 with the product's own settings, in `bench` below the data directory; one at a time."""
    base = Settings.from_environment()
    settings = replace(
        base, var=base.var / "bench", port=web_port, public_url=f"http://localhost:{web_port}", live_url="",
        database_url="", database_app_url="", database_portal_url="", redis_url="", s3_endpoint_url="",
        smtp_url="", empty=False, mail_from="office@firm.example",
    )
    settings.var.mkdir(parents=True, exist_ok=True)
    with locked(settings.var / "one.lock"):
        yield from _leased(settings, web_port)


def _leased(settings: Settings, web_port: int) -> Iterator[Place]:
    lease, filled = take_lease(settings, database=PREFIX)
    assert lease is not None
    try:
        make_bucket(filled)
        place = Place(filled, lease, web_port)
        with place.admin() as admin:
            make_logins(admin, place.credentials, PREFIX)
        yield place
    finally:
        lease.release(wait=True)


def fingerprint() -> str:
    """Changes when the schema or the filler does; a database with another one is filled anew."""
    from app.models import metadata

    digest = hashlib.sha256()
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        digest.update(str(CreateTable(table).compile(dialect=dialect)).encode())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            digest.update(str(CreateIndex(index).compile(dialect=dialect)).encode())
    fill = HERE / "fill"
    for path in [*sorted(SQL.glob("*.sql")), *sorted(fill.glob("*.py")), *sorted(fill.glob("*.sql"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def name_of(size: int) -> str:
    return f"{PREFIX}_{size}"


def mark_of(place: Place, database: str) -> str:
    """What a finished database is marked with; empty while it is not there or not finished."""
    with place.admin() as admin:
        row = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,)
        ).fetchone()
    return str(row[0] or "") if row else ""


def set_mark(place: Place, database: str, mark: str) -> None:
    with place.admin() as admin:
        admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(database), sql.Literal(mark)))


def drop(place: Place, database: str) -> None:
    with place.admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def make_empty(place: Place, database: str) -> Settings:
    """A database with the product's schema and nothing in it."""
    from app.core.migration import migrate

    drop(place, database)
    with place.admin() as admin:
        own(admin, database, prefix=PREFIX)
    settings = place.settings_for(database)
    migrate(settings)
    return settings


@contextmanager
def copy_of(place: Place, database: str) -> Iterator[Settings]:
    """A copy to measure on, gone at the end: what is filled stays as it is."""
    name = f"{database}_run"
    drop(place, name)
    with place.admin() as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(f"{PREFIX}_owner"), sql.Identifier(database)
            )
        )
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(
            sql.Identifier(name), sql.Identifier(f"{PREFIX}_app"), sql.Identifier(f"{PREFIX}_portal")))
    try:
        yield place.settings_for(name)
    finally:
        drop(place, name)


def size_on_disk(place: Place, database: str) -> int:
    with place.admin() as admin:
        row = admin.execute("SELECT pg_database_size(%s)", (database,)).fetchone()
    assert row is not None
    return int(str(row[0]))


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A plain connection, as raw SQL has it."""
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"))
