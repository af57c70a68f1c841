"""One set of services for every test run in this checkout, and a database of its own for each process."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from psycopg import sql

from app.config import Settings
from app.core.backing import take_lease
from app.core.backing.credentials import Credentials
from app.core.backing.lease import Lease, keeper_runs, locked
from app.core.backing.processes import LOOPBACK, is_running, wait_for
from app.core.backing.provision import Admin, connect_as_admin, database_url, make_bucket, make_logins, own
from app.core.backing.valkey import DATABASES

ROOT = Path(__file__).parents[1]
PREFIX = "firmament_test"
LOGINS = ("owner", "app", "portal")
KEPT_TEMPLATES = 12
SCHEMA_SOURCES = (
    "app/**/models.py", "app/**/models/*.py", "app/**/models_*.py", "app/core/*.py", "app/**/*.sql",
    "migrations/**/*.py", "migrations/**/*.sql",
)


def test_var() -> Path:
    return Path(os.environ.get("FIRMAMENT_TEST_VAR", ROOT / "var" / "test")).resolve()


def grace() -> float:
    """Seconds for which the services outlive their last user: long at a desk, none to speak of in CI."""
    return float(os.environ.get("FIRMAMENT_TEST_GRACE", "3" if os.environ.get("CI") else "600"))


def wait_for_stop() -> None:
    """In CI nothing may be left behind by the time that the run ends."""
    home = test_var() / "services"
    if grace() < 10 and home.exists():
        wait_for(lambda: not keeper_runs(home), 30)


def fingerprint() -> str:
    """Changes whenever a file changes that says what the database looks like."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in SCHEMA_SOURCES for path in ROOT.glob(pattern)}):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


@dataclass
class TestServices:
    """The running services as one test process sees them: its Valkey database and bucket are its own."""

    __test__ = False
    settings: Settings
    slot: int
    lease: Lease

    @cached_property
    def credentials(self) -> Credentials:
        return self.lease.credentials()

    @property
    def port(self) -> int:
        return self.lease.ports["postgres"]

    def admin(self) -> Admin:
        return connect_as_admin(self.port, self.credentials)

    def url(self, kind: str, database: str) -> str:
        return database_url(self.port, self.credentials, login=f"{PREFIX}_{kind}", database=database)

    def with_database(self, name: str) -> Settings:
        owner, app, portal = (self.url(kind, name) for kind in LOGINS)
        return replace(self.settings, database_url=owner, database_app_url=app, database_portal_url=portal)


@contextmanager
def running_services() -> Iterator[TestServices]:
    settings = Settings(
        env="test", testing=True, var=test_var(), secret_key="development-key-of-the-tests-" + "0" * 20,
        public_url="http://localhost:8000", log_format="text", mail_from="office@firm.example",
    )
    with our_slot(settings.var) as slot:
        lease, filled = take_lease(settings, database=PREFIX, for_tests=True, grace=grace())
        if lease is None:
            raise RuntimeError("The tests bring their own services.")
        try:
            credentials = lease.credentials()
            valkey = f"redis://:{credentials.valkey_password}@{LOOPBACK}:{lease.ports['valkey']}/{slot}"
            mine = replace(filled, redis_url=valkey, s3_bucket=f"test-{slot}")
            make_bucket(mine)
            yield TestServices(mine, slot, lease)
        finally:
            lease.release()


@contextmanager
def our_slot(var: Path) -> Iterator[int]:
    """A number that no other test process has; it is free again when this one ends, however it ends."""
    (var / "slots").mkdir(parents=True, exist_ok=True)
    for number in range(2, DATABASES):
        stream: IO[str] = (var / "slots" / str(number)).open("a")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            continue
        with stream:
            yield number
        return
    raise RuntimeError("Too many test processes at once.")


@contextmanager
def turn(var: Path, *, alone: bool) -> Iterator[None]:
    """Tests share the machine; one that measures time has it alone: others end first and wait until it is done.

    Whoever waits holds the gate, so that nobody who comes later goes first.
    """
    var.mkdir(parents=True, exist_ok=True)
    with (var / "floor.lock").open("a") as floor:
        with locked(var / "gate.lock"):
            fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


_numbers = itertools.count()


@contextmanager
def cloned_database(services: TestServices) -> Iterator[Settings]:
    """A database with the whole schema in it, gone at the end."""
    name = f"fm_{os.getpid()}_{next(_numbers)}"
    with locked(services.settings.var / "template.lock"), services.admin() as admin:
        template = ready_template(services, admin)
        own(admin, name, prefix=PREFIX, template=template)
    try:
        yield services.with_database(name)
    finally:
        with services.admin() as admin:
            drop(admin, name)


def ready_template(services: TestServices, admin: Admin) -> str:
    """The database that is cloned, made anew when the schema's sources have changed."""
    name = f"firmament_tpl_{fingerprint()}"
    done = admin.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if done is not None and done[0]:
        return name
    clean_up(admin)
    drop(admin, name)
    make_logins(admin, services.credentials, PREFIX)
    # A rolled-back test has one connection for both doors: the app's login steps into the portal's role.
    roles = (sql.Identifier(f"{PREFIX}_portal"), sql.Identifier(f"{PREFIX}_app"))
    admin.execute(sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE").format(*roles))
    own(admin, name, prefix=PREFIX)
    from app.core.migration import migrate

    migrate(services.with_database(name))
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    finish = sql.SQL("ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    admin.execute(finish.format(sql.Identifier(name)))
    return name


def clean_up(admin: Admin) -> None:
    """Drop the clones of killed test processes and all but the newest templates."""
    rows = admin.execute(
        "SELECT datname FROM pg_database WHERE datname ~ '^(fm_[0-9]+|firmament_tpl)_' ORDER BY oid DESC"
    ).fetchall()
    names = [str(row[0]) for row in rows]
    templates = [name for name in names if name.startswith("firmament_tpl_")]
    clones = [name for name in names if name.startswith("fm_") and not is_running(int(name.split("_")[1]))]
    for name in [*clones, *templates[KEPT_TEMPLATES - 1:]]:
        drop(admin, name)


def empty_bucket(settings: Settings) -> None:
    """Take everything out that other tests have left in storage."""
    from app.core.storage import Storage

    storage = Storage(settings)
    for key, _size in list(storage.keys()):
        storage.delete(key)
    for key, upload, _begun in list(storage.unfinished()):
        storage.abort_multipart(key, upload)


def as_owner(settings: Settings, table: str, statement: str, **values: object) -> None:
    """Change a table behind the product's back: as its owner, with its triggers asleep."""
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(sa.text(statement), values)
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    engine.dispose()


def drop(admin: Admin, name: str) -> None:
    known = admin.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if known is None:
        return
    if known[0]:
        admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
