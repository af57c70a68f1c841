"""A database that dies while a client is at the door: the next request of that thread stands at its own door."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.config import Settings
from app.core import db as database_module
from app.core.db import db, portal_door
from tests.make import make_cast, sign_in
from tests.portal.make_portal import at_portal


@pytest.fixture
def doors(real_app: Flask) -> Iterator[tuple[Flask, FlaskClient, FlaskClient]]:
    """A browser at each door, both served by this one thread, as a thread of the server serves them in turn."""
    kept, real_app.config["PROPAGATE_EXCEPTIONS"] = real_app.config.get("PROPAGATE_EXCEPTIONS"), False
    firm, portal = (FlaskClient(real_app, use_cookies=True) for _ in range(2))
    with real_app.app_context():
        cast = make_cast()
        sign_in(firm, cast.pat)
        at_portal(portal, cast.cleo)
        db.session.commit()
        db.session.remove()
    yield real_app, firm, portal
    real_app.config["PROPAGATE_EXCEPTIONS"] = kept


def kill_backend(settings: Settings) -> None:
    """Ends the database's process behind the connection that this request holds."""
    process = db.session.scalar(sa.select(sa.func.pg_backend_pid()))
    url = settings.database_portal_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


@pytest.mark.real
@pytest.mark.parametrize("moment", ["before the page", "after the page"])
def test_a_killed_database_leaves_no_thread_at_the_clients_door(
    doors: tuple[Flask, FlaskClient, FlaskClient], moment: str
) -> None:
    app, firm, portal = doors
    view = app.view_functions["portal.home.show"]

    def killed(*args: Any, **values: Any) -> Any:
        if moment == "before the page":
            kill_backend(app.config["SETTINGS"])
        page = view(*args, **values)
        if moment == "after the page":
            kill_backend(app.config["SETTINGS"])
        return page

    assert portal.get("/portal/").status_code == 200
    app.view_functions["portal.home.show"] = killed
    with contextlib.suppress(sa.exc.DBAPIError):
        portal.get("/portal/")
    assert database_module._door.get() == "app"
    assert database_module._visitor.get() is None
    assert firm.get("/clients").status_code == 200
    app.view_functions["portal.home.show"] = view
    assert portal.get("/portal/").status_code == 200


@pytest.mark.real
def test_a_request_begins_at_its_own_door_whatever_was_left_behind(
    doors: tuple[Flask, FlaskClient, FlaskClient]
) -> None:
    _app, firm, _portal = doors
    with portal_door():
        assert firm.get("/clients").status_code == 200
        assert database_module._door.get() == "portal"
