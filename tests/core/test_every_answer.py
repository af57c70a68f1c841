"""What every answer carries, and what is said when a disk is full."""

from __future__ import annotations

import errno
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from flask import Flask
from flask.testing import FlaskClient

from app.core.storage import StorageUnavailable, storage
from tests.make import Cast, sign_in

CARRIED = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def test_static_files_pages_and_refusals_carry_the_same_guards(app: Flask, client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    hashed = app.extensions["assets"].url("css/app.css")
    asked = (hashed, "/static/css/app.css", "/static/nothing.css", "/clients", "/nowhere", "/healthz", "/portal/")
    for address in asked:
        answer = client.get(address)
        assert {name: answer.headers.get(name) for name in CARRIED} == CARRIED, address


def no_room(kind: str) -> Exception:
    if kind == "web server":
        return OSError(errno.ENOSPC, "No space left on device")
    return sa.exc.OperationalError("INSERT", {}, psycopg.errors.DiskFull("could not extend file"))


@pytest.mark.parametrize("kind", ["web server", "database"])
def test_a_full_disk_is_named(
    app: Flask, client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fails(*_args: Any, **_values: Any) -> Any:
        try:
            raise no_room(kind)
        except Exception as error:
            raise RuntimeError("The file could not be written.") from error

    sign_in(client, cast.pat)
    monkeypatch.setitem(app.view_functions, "people.index", fails)
    answer = client.get("/people")
    assert answer.status_code == 503
    assert f"The disk of the {kind} is full, so nothing was saved" in answer.text


def test_a_full_disk_of_the_storage_is_named(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        there = storage()
        full = ClientError({"Error": {"Code": "XMinioStorageFull"}, "ResponseMetadata": {"HTTPStatusCode": 507}}, "Put")

        def refuses(**_values: Any) -> None:
            raise full

        monkeypatch.setattr(there._inside, "put_object", refuses)
        with pytest.raises(StorageUnavailable, match="disk of the file storage is full"):
            there.put("key", b"bytes", "text/plain")
