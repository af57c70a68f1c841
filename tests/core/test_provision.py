"""Three logins, a database, a bucket and its rules from administrators' URLs; nothing is done twice or taken away."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import psycopg
import pytest
import sqlalchemy as sa
from botocore.config import Config
from psycopg import sql

from app.config import BadSettings, Settings
from app.core.probing import try_storage
from app.core.schema import make_extensions
from app.provision import NOTHING, Admins, NotProvided, provision, read_file
from tests.plumbing import LOOPBACK, TestServices


@dataclass
class Place:
    """A server and a storage on which nothing has been made yet, and the settings that an operator chose."""

    admins: Admins
    given: dict[str, str]
    file: Path
    said: list[str]
    name: str

    def provision(self) -> int:
        self.said.clear()
        return provision(self.given, self.admins, file=self.file, say=self.said.append)

    def settings(self) -> Settings:
        return Settings.from_environment({**self.given, **read_file(self.file), "FIRMAMENT_ENV": "production"})


@pytest.fixture
def place(services: TestServices, tmp_path: Path) -> Iterator[Place]:
    keys, port = services.lease.credentials(), services.lease.ports["postgres"]
    name = f"prov{secrets.token_hex(4)}"
    urls = {
        f"DATABASE{kind}_URL": f"postgresql://{name}{kind.lower()}:{secrets.token_hex(8)}@{LOOPBACK}:{port}/{name}"
        for kind in ("", "_APP", "_PORTAL")
    }
    settings = services.settings
    given = {
        **urls, "PUBLIC_URL": "https://firm.example", "REDIS_URL": settings.redis_url, "S3_BUCKET": name,
        "S3_ENDPOINT_URL": settings.s3_endpoint_url, "S3_ACCESS_KEY": settings.s3_access_key,
        "S3_SECRET_KEY": settings.s3_secret_key, "FIRMAMENT_VAR": str(tmp_path),
    }
    admins = Admins(f"postgresql://postgres:{keys.postgres_password}@{LOOPBACK}:{port}/postgres")
    yield Place(admins, given, tmp_path / "firmament.env", [], name)
    with services.admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        for kind in ("", "_app", "_portal"):
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name + kind)))
    store = boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name="us-east-1", aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key, config=Config(s3={"addressing_style": "path"}),
    )
    if name in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
        store.delete_bucket(Bucket=name)
    store.close()


def test_it_makes_what_the_product_needs_says_so_and_has_nothing_to_do_the_second_time(place: Place) -> None:
    name = place.name
    assert place.provision() == 10
    assert place.said == [
        f"  done  made the login {name}", f"  done  made the login {name}_app", f"  done  made the login {name}_portal",
        f"  done  made the database {name}, owned by {name}", f"  done  shut {name} to everybody else",
        f"  done  let {name}_app into {name}", f"  done  let {name}_portal into {name}",
        f"  done  made the bucket {name}", f"  done  let pages of https://firm.example send files into {name} (CORS)",
        f"  done  wrote SECRET_KEY into {place.file}",
    ]
    settings = place.settings()
    assert place.file.stat().st_mode & 0o777 == 0o600
    assert try_storage(settings) == ""
    with sa.create_engine(settings.database_url, poolclass=sa.NullPool).begin() as owner:
        make_extensions(owner)
        owner.exec_driver_sql("CREATE TABLE ours (n int)")
    for name in ("DATABASE_APP_URL", "DATABASE_PORTAL_URL"):
        with psycopg.connect(place.given[name]) as visitor, pytest.raises(psycopg.errors.InsufficientPrivilege):
            visitor.execute("CREATE TABLE mine (n int)")
    assert place.provision() == 0
    assert place.said == [NOTHING]


def test_what_was_changed_is_mended_and_a_foreign_database_left_alone(place: Place) -> None:
    place.provision()
    place.given["DATABASE_APP_URL"] = place.given["DATABASE_APP_URL"].replace("_app:", "_app:new")
    assert place.provision() == 1
    assert place.said == [f"  done  set the password of {place.name}_app"]
    place.given["PUBLIC_URL"] = "https://other.example"
    assert place.provision() == 1
    assert "https://other.example" in place.said[0]
    for name in ("DATABASE_URL", "DATABASE_APP_URL", "DATABASE_PORTAL_URL"):
        place.given[name] = place.given[name].removesuffix(f"/{place.name}") + "/postgres"
    with pytest.raises(NotProvided, match="belongs to postgres"):
        place.provision()


def test_what_nobody_has_to_choose_is_made_up_and_the_rest_asked_for(place: Place) -> None:
    place.given.pop("S3_ENDPOINT_URL")
    with pytest.raises(BadSettings, match="S3_ENDPOINT_URL"):
        place.provision()
    assert not place.file.exists(), "nothing is written before it is clear that it can be made"
    place.file.write_text('# ours\nPUBLIC_URL="https://firm.example"\n\nSMTP_URL=')
    assert read_file(place.file) == {"PUBLIC_URL": "https://firm.example"}


def test_the_product_is_given_no_login_that_may_do_everything(place: Place) -> None:
    root = f"{place.name}_root"
    with psycopg.connect(place.admins.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(root)))
        try:
            place.given["DATABASE_URL"] = place.given["DATABASE_URL"].replace(f"//{place.name}:", f"//{root}:")
            with pytest.raises(NotProvided, match=f"{root} may do everything"):
                place.provision()
            made = admin.execute("SELECT FROM pg_database WHERE datname = %s", (place.name,)).fetchall()
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(place.name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(root)))
    assert made == []


def test_an_administrator_who_is_refused_is_told_by_whom(place: Place) -> None:
    place.admins = Admins(place.admins.database_url.replace("://postgres:", "://postgres:x"))
    with pytest.raises(NotProvided, match="The database server refused"):
        place.provision()
