"""Every list can be taken out as a file, by whoever may, with what they may see."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clients.access import actor_for
from app.clients.models import Wall
from app.core.clock import now
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Role
from app.desk.lists import FILES
from tests.journeys.world import make_world
from tests.make import Cast, keep, make_person, sign_in
from tests.test_architecture import rules

LISTED = re.compile(r"<table|<ul class=\"rows\"")
# Not lists but forms, figures that open into lists, one's own things, menus, and one thing with its parts.
ONE_THING = {
    "/people/<uuid:person_id>", "/contacts/<uuid:contact_id>", "/clients/<uuid:client_id>", "/tasks/<uuid:task_id>",
    "/services/<uuid:service_id>", "/billing/payments/<uuid:payment_id>", "/settings",
}
OTHERWISE = re.compile(
    r"/(new|edit|apply|library|draft|walls|sitting|account|adjustment|deactivation|lookup|import|palette|search|setup"
    r"|dashboard|inbox|security|rounding|bar|progress|fragment|open-invoices|statement|dev|entries|templates)(/|$)"
)


@pytest.mark.slow
def test_every_page_with_a_list_offers_its_file(app: Flask, client: FlaskClient, cast: Cast) -> None:
    world = make_world(cast)
    sign_in(client, cast.pat)
    db.session.commit()
    without = []
    for rule in rules(app):
        address = world.fill(rule)
        if "GET" not in rule.methods or address is None or OTHERWISE.search(rule.rule):
            continue
        if rule.rule.startswith("/portal") or rule.rule in ONE_THING or rule.rule.endswith(".csv"):
            continue
        page = client.get(address).get_data().decode(errors="replace")
        if "<main" in page and LISTED.search(page) and ".csv" not in page:
            without.append(address)
    assert without == []


def test_each_file_holds_what_its_page_shows(app: Flask, client: FlaskClient, cast: Cast) -> None:
    world = make_world(cast)
    pat = cast.actor(cast.pat)
    asked = {name: str(value) for name, value in world.ids.items()}
    empty = {"closures", "exchange-rates", "run", "finished-not-billed"}
    for name, file in FILES.items():
        rows = list(file.rows(asked, pat))
        assert bool(rows) != (name in empty), name
        assert all(len(row) == len(file.header) for row in rows), name


def test_a_file_is_written_down_and_refused_to_who_may_not_take_it(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    taken = client.get("/lists/offices.csv")
    rows = list(csv.reader(io.StringIO(taken.get_data(as_text=True).removeprefix("\ufeff"))))
    assert rows[0][0] == "Office" and {row[0] for row in rows[1:]} == {"London", "Dublin"}
    assert "offices" in client.get("/audit").text
    assert client.get("/lists/nothing.csv").status_code == 404
    sign_in(client, cast.sam)
    assert client.get("/lists/offices.csv").status_code == 403


def test_a_wall_holds_in_every_file(cast: Cast, client: FlaskClient) -> None:
    world = make_world(cast, client=cast.rival, engagement=cast.rival_work, contact=cast.otto)
    asked = {name: str(value) for name, value in world.ids.items()}
    walled = make_person("Una", Role.PARTNER, cast.office)
    keep(Wall(person_id=walled.id, client_id=cast.rival.id, reason="Family", created_at=now()))
    una = actor_for(walled)
    for name, file in FILES.items():
        try:
            rows = list(file.rows(asked, una))
        except NotFound:
            continue
        assert "Rival" not in str(rows), name
