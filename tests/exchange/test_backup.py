"""Everything out, and in again elsewhere, equal."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.commands.issue import approve_invoice
from app.config import Settings
from app.core.backing.provision import make_bucket
from app.core.errors import Refused
from app.core.storage import Storage
from app.exchange.backup import read_backup, table_names, write_backup
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import make_cast
from tests.plumbing import TestServices, cloned_database

pytestmark = pytest.mark.real


def digest(settings: Settings) -> dict[str, str]:
    """A hash of every table's rows, whatever their order."""
    engine = sa.create_engine(settings.database_url)
    with engine.connect() as connection:
        found = {}
        for name in table_names(connection):
            rows = connection.scalars(sa.text(f'SELECT row_to_json(t)::text FROM "{name}" t')).all()
            found[name] = hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
    engine.dispose()
    return found


@pytest.fixture
def firm(real_app: Flask) -> Settings:
    """A firm with a bill and a stored object behind it, committed."""
    from app.core.db import transaction

    settings: Settings = real_app.config["SETTINGS"]
    with real_app.app_context():
        with transaction() as session:
            cast = make_cast()
            make_rate("100")
            make_entry(cast)
            cast.firm.logo_key = "kept/logo"
            session.flush()
        approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
        Storage(settings).put("kept/logo", b"a picture", "image/png")
    return settings


def test_a_restored_firm_is_equal_row_by_row_and_object_by_object(
    firm: Settings, services: TestServices, tmp_path: Path
) -> None:
    written = write_backup(firm, tmp_path / "firm.zip")
    assert (tmp_path / "firm.zip").stat().st_mode & 0o077 == 0
    with cloned_database(services) as elsewhere:
        elsewhere = replace(elsewhere, s3_bucket=f"{firm.s3_bucket}-elsewhere")
        make_bucket(elsewhere)
        restored = read_backup(elsewhere, tmp_path / "firm.zip")
        assert (restored, digest(elsewhere)) == (written, digest(firm))
        assert Storage(elsewhere).get("kept/logo") == b"a picture"
        assert Storage(elsewhere).content_type("kept/logo") == "image/png"


def test_a_place_that_is_not_empty_is_left_alone(firm: Settings, tmp_path: Path) -> None:
    write_backup(firm, tmp_path / "firm.zip")
    before = digest(firm)
    with pytest.raises(Refused, match="not empty"):
        read_backup(firm, tmp_path / "firm.zip")
    assert digest(firm) == before


def test_a_damaged_backup_restores_nothing(firm: Settings, services: TestServices, tmp_path: Path) -> None:
    write_backup(firm, tmp_path / "firm.zip")
    with zipfile.ZipFile(tmp_path / "firm.zip") as whole, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in whole.namelist():
            body = whole.read(name)
            bad.writestr(name, body.replace(b"Acme", b"Acne") if name == "data/client.jsonl" else body)
    with cloned_database(services) as elsewhere:
        with pytest.raises(Refused, match=r"data/client\.jsonl is not what the backup wrote"):
            read_backup(elsewhere, tmp_path / "bad.zip")
        assert digest(elsewhere)["client"] == hashlib.sha256(b"").hexdigest()
