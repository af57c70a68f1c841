"""`firmament provision`: the database with its three logins and the bucket with its rules, made from admin URLs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import conninfo, sql
from sqlalchemy.engine import URL, make_url

from app.config import BadSettings, Settings
from app.core.errors import FirmamentError
from app.core.probing import try_storage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Say = Callable[[str], None]
Admin = psycopg.Connection[tuple[object, ...]]
URLS = {"owner": "DATABASE_URL", "app": "DATABASE_APP_URL", "portal": "DATABASE_PORTAL_URL"}
OLDEST = 160000
NOTHING = "Nothing to do: everything is there."


class NotProvided(FirmamentError):
    """Something could not be made; the message says what, and by whom it was refused."""


@dataclass(frozen=True)
class Admins:
    """Who may make databases and logins, and who may make buckets (the product's own keys when none are given)."""

    database_url: str
    s3_access_key: str = ""
    s3_secret_key: str = ""


def provision(environ: Mapping[str, str], admins: Admins, *, file: Path | None, say: Say) -> int:
    """Make what is missing and say each act; the number of them. Made-up settings go into `file`, or are printed."""
    given = {**environ, **(read_file(file) if file else {})}
    made_up = _made_up(given, admins)
    settings = Settings.from_environment({**given, **made_up, "FIRMAMENT_ENV": "production"})
    done = list(_database(settings, admins))
    done += _bucket(settings, admins)
    if made_up:
        done.append(f"wrote {', '.join(made_up)} into {file}" if file else "made up settings; keep these lines:")
    for act in done:
        say(f"  done  {act}")
    if made_up and file:
        append(file, made_up)
    elif made_up:
        for name, value in made_up.items():
            say(f"{name}={value}")
    if not done:
        say(NOTHING)
    # At its inner address: the proxy in front of the other one may come later, and is for `firmament check`.
    if reason := try_storage(replace(settings, s3_public_url=settings.s3_endpoint_url)):
        raise NotProvided(f"Storage is there, but cannot be used: {reason}.")
    return len(done)


def read_file(path: Path) -> dict[str, str]:
    """NAME=value lines, as systemd reads an EnvironmentFile."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith(("#", ";")) and "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _sign, value in pairs if value.strip()}


def append(path: Path, values: Mapping[str, str]) -> None:
    """Add lines to a file that nobody else may read."""
    text = path.read_text() if path.exists() else ""
    end = "" if not text or text.endswith("\n") else "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(text + end + "".join(f"{name}={value}\n" for name, value in values.items()))


def _made_up(given: Mapping[str, str], admins: Admins) -> dict[str, str]:
    """The settings that nobody has to choose: a secret, three logins on the administrator's server."""
    made: dict[str, str] = {}
    if not given.get("SECRET_KEY"):
        made["SECRET_KEY"] = secrets.token_urlsafe(48)
    admin = make_url(admins.database_url)
    known = next((make_url(given[name]) for name in URLS.values() if given.get(name)), None)
    for kind, name in URLS.items():
        if not given.get(name):
            url = URL.create(
                "postgresql", username=f"firmament_{kind}", password=secrets.token_urlsafe(24), host=admin.host,
                port=admin.port, database=known.database if known else "firmament",
            )
            made[name] = url.render_as_string(hide_password=False)
    return made


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _database(settings: Settings, admins: Admins) -> Iterator[str]:
    """Three logins that own no more than they must, and a database that lets nobody else in."""
    urls = {kind: make_url(url) for kind, url in zip(
        URLS, (settings.database_url, settings.database_app_url, settings.database_portal_url), strict=True
    )}
    names = {url.database for url in urls.values()}
    if len(names) != 1 or None in names:
        raise BadSettings(f"{', '.join(URLS.values())} must name the same database.")
    (name,) = names
    try:
        with psycopg.connect(_plain(admins.database_url), autocommit=True, connect_timeout=10) as admin:
            if admin.info.server_version < OLDEST:
                raise NotProvided(f"PostgreSQL 16 or newer is needed; this is {admin.info.server_version // 10000}.")
            for url in urls.values():
                yield from _login(admin, url)
            yield from _own(admin, str(name), {kind: str(url.username) for kind, url in urls.items()})
    except psycopg.Error as error:
        raise NotProvided(f"The database server refused: {str(error).splitlines()[0]}") from error


def _login(admin: Admin, url: URL) -> Iterator[str]:
    role, password = sql.Identifier(str(url.username)), sql.Literal(str(url.password))
    known = admin.execute(
        "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = %s", (url.username,)
    ).fetchone()
    if known is not None and known[1]:
        raise NotProvided(f"{url.username} may do everything on that server. Give the product logins of its own.")
    if known is None:
        admin.execute(sql.SQL(
            "CREATE ROLE {} LOGIN PASSWORD {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
        ).format(role, password))
        yield f"made the login {url.username}"
    elif not known[0] or not _gets_in(admin, url):
        admin.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, password))
        yield f"set the password of {url.username}"


def _gets_in(admin: Admin, url: URL) -> bool:
    """Whether the password is right; a database that is not there yet or shut to it says so only after it is."""
    at = conninfo.make_conninfo(
        host=url.host or admin.info.host, port=url.port or admin.info.port, user=url.username, password=url.password,
        dbname=url.database, connect_timeout=10,
    )
    try:
        psycopg.connect(at).close()
    except psycopg.OperationalError as error:
        return "password" not in str(error)
    return True


def _own(admin: Admin, name: str, roles: Mapping[str, str]) -> Iterator[str]:
    database, owner = sql.Identifier(name), sql.Identifier(roles["owner"])
    known = admin.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (name,)
    ).fetchone()
    if known is None:
        # Whoever is no superuser may give a database only to a role that they belong to.
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        admin.execute(sql.SQL(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'"
        ).format(database, owner))
        yield f"made the database {name}, owned by {roles['owner']}"
    elif known[0] != roles["owner"]:
        raise NotProvided(f"The database {name} belongs to {known[0]} and not to {roles['owner']}; it was left alone.")
    if _everybody_may_enter(admin, name):
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        yield f"shut {name} to everybody else"
    for kind in ("app", "portal"):
        if not _may_connect(admin, roles[kind], name):
            admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(roles[kind])))
            yield f"let {roles[kind]} into {name}"


def _everybody_may_enter(admin: Admin, name: str) -> bool:
    row = admin.execute(
        "SELECT datacl IS NULL OR EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee = 0) FROM pg_database"
        " WHERE datname = %s", (name,),
    ).fetchone()
    return bool(row and row[0])


def _may_connect(admin: Admin, role: str, name: str) -> bool:
    row = admin.execute("SELECT has_database_privilege(%s, %s, 'CONNECT')", (role, name)).fetchone()
    return bool(row and row[0])


def _bucket(settings: Settings, admins: Admins) -> Iterator[str]:
    """The bucket, and uploads to it from pages of the public address and of no other."""
    if admins.s3_access_key:
        settings = replace(settings, s3_access_key=admins.s3_access_key, s3_secret_key=admins.s3_secret_key)
    store = _store(settings)
    bucket, origin = settings.s3_bucket, settings.public_url
    try:
        if not _is_there(store, bucket):
            store.create_bucket(Bucket=bucket)
            yield f"made the bucket {bucket}"
        if not _lets_in(store, bucket, origin):
            store.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{
                "AllowedOrigins": [origin], "AllowedMethods": ["GET", "HEAD", "PUT", "POST"], "AllowedHeaders": ["*"],
                "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3600,
            }]})
            yield f"let pages of {origin} send files into {bucket} (CORS)"
    except (ClientError, BotoCoreError) as error:
        raise NotProvided(f"Storage at {settings.s3_endpoint_url} refused: {error}") from error


def _store(settings: Settings) -> S3Client:
    return boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key, aws_secret_access_key=settings.s3_secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 2},
                      request_checksum_calculation="when_required", connect_timeout=5, read_timeout=20),
    )


def _is_there(store: S3Client, bucket: str) -> bool:
    try:
        store.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _lets_in(store: S3Client, bucket: str, origin: str) -> bool:
    try:
        rules = store.get_bucket_cors(Bucket=bucket).get("CORSRules", [])
    except ClientError:
        return False
    return any(
        origin in rule.get("AllowedOrigins", []) and {"GET", "PUT", "POST"} <= set(rule.get("AllowedMethods", []))
        and "*" in rule.get("AllowedHeaders", []) and "ETag" in rule.get("ExposeHeaders", []) for rule in rules
    )
