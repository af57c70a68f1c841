"""What the services must hold before use: a database with its logins, a bucket with its rules."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql

from app.config import Settings
from app.core.backing.credentials import Credentials
from app.core.backing.processes import LOOPBACK, BackingFailed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CORSRuleOutputTypeDef

Admin = psycopg.Connection[tuple[object, ...]]
FIRST_KEY = "incoming/first"
LOGINS = ("owner", "app", "portal")
ADVISORY_KEY = 7_135_001


def connect_as_admin(port: int, credentials: Credentials, database: str = "postgres") -> Admin:
    """The cluster's own superuser, for making and copying databases; the program never uses it."""
    return psycopg.connect(
        host=LOOPBACK, port=port, user="postgres", password=credentials.postgres_password, dbname=database,
        autocommit=True, connect_timeout=10,
    )


def database_url(port: int, credentials: Credentials, *, login: str, database: str) -> str:
    return f"postgresql+psycopg://{login}:{credentials.password_of(login)}@{LOOPBACK}:{port}/{database}"


def make_logins(admin: Admin, credentials: Credentials, prefix: str) -> None:
    """Owner, app and portal; the names carry the database's, for logins belong to the whole cluster."""
    for kind in LOGINS:
        name = f"{prefix}_{kind}"
        known = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        words = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}")
        admin.execute(words.format(sql.Identifier(name), sql.Literal(credentials.password_of(name))))


def make_database(port: int, credentials: Credentials, name: str) -> bool:
    """The database and its logins; True when it was made just now."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", name):
        raise BackingFailed(f"{name!r} cannot be a database's name: small letters, digits and _ only.")
    with connect_as_admin(port, credentials) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_KEY,))
        if admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            return False
        make_logins(admin, credentials, name)
        own(admin, name, prefix=name)
    return True


def own(admin: Admin, database: str, *, prefix: str, template: str = "template0") -> None:
    """Create a database that belongs to the owner login and lets in nobody but the three."""
    admin.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY wal_log").format(
            sql.Identifier(database), sql.Identifier(f"{prefix}_owner"), sql.Identifier(template)
        )
    )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    for kind in ("app", "portal"):
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(database), sql.Identifier(f"{prefix}_{kind}")
            )
        )


def make_bucket(settings: Settings) -> None:
    """The bucket, open to uploads from the product's own pages; tried again while a fresh server settles."""
    store = boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key, aws_secret_access_key=settings.s3_secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1},
                      request_checksum_calculation="when_required", connect_timeout=2, read_timeout=10),
    )
    rule: CORSRuleOutputTypeDef = {
        "AllowedOrigins": origins(settings), "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
        "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3600,
    }
    deadline = time.monotonic() + 30
    while True:
        try:
            if settings.s3_bucket not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
                store.create_bucket(Bucket=settings.s3_bucket)
                store.put_object(Bucket=settings.s3_bucket, Key=FIRST_KEY, Body=b"")
                store.delete_object(Bucket=settings.s3_bucket, Key=FIRST_KEY)
            if _rules(store, settings.s3_bucket) != [rule]:
                store.put_bucket_cors(Bucket=settings.s3_bucket, CORSConfiguration={"CORSRules": [rule]})
            return
        except (ClientError, BotoCoreError) as error:
            if time.monotonic() > deadline:
                raise BackingFailed(f"The bucket {settings.s3_bucket} could not be made: {error}") from error
            time.sleep(0.2)


def _rules(store: S3Client, bucket: str) -> list[CORSRuleOutputTypeDef]:
    try:
        return store.get_bucket_cors(Bucket=bucket).get("CORSRules", [])
    except ClientError:
        return []


def origins(settings: Settings) -> list[str]:
    """Where the product's pages come from: the public address, and this machine's own in development."""
    local = [f"http://{host}:{settings.port}" for host in ("localhost", LOOPBACK)]
    return list(dict.fromkeys([settings.public_url or local[0], *local]))
