"""What is printed when the product has started."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.core.errors import NotAllowed, Refused
from app.welcome import lines, link_for
from tests.make import Cast, with_csrf

HOST = "http://localhost:8000"


def test_an_empty_firm_is_offered_its_setup(session: Session) -> None:
    assert "/setup/link/" in "".join(lines(0))


def test_every_role_and_a_contact_get_a_link_that_works(client: FlaskClient, app: Flask, cast: Cast) -> None:
    told = "".join(lines(0))
    for role in ("partner", "manager", "staff", "billing", "admin", "contact"):
        assert role in told
    inside = with_csrf(client)
    assert inside.post(link_for("billing").removeprefix(HOST)).status_code == 303
    assert "Bea" in inside.get("/account").text
    assert link_for("contact").startswith(f"{HOST}/portal/link/sign-in/")


def test_there_is_no_such_role(cast: Cast) -> None:
    with pytest.raises(Refused, match="There is no role"):
        link_for("janitor")


def test_in_production_nobody_comes_in_like_that(app: Flask, cast: Cast) -> None:
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(before, env="production")
    try:
        for role in ("partner", "contact"):
            with pytest.raises(NotAllowed):
                link_for(role)
    finally:
        app.config["SETTINGS"] = before
