"""Every list can be taken out as a file, by whoever may, with what they may see."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clients.access import actor_for
from app.clients.models import Wall
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Role
from app.desk.client.sections import sections_for
from app.desk.lists import FILES
from app.jobs.views.sections import job_sections
from app.notifications.models import Notice
from tests.journeys.world import World, make_world
from tests.make import Cast, keep, make_person, sign_in
from tests.test_architecture import rules

LISTED = re.compile(r"<table|<ul class=\"rows\"|<ol class=\"timeline\"")
# Not lists but forms, figures that open into lists, one's own things, menus, and one thing with its parts.
ONE_THING = {
    "/people/<uuid:person_id>", "/contacts/<uuid:contact_id>", "/clients/<uuid:client_id>", "/tasks/<uuid:task_id>",
    "/services/<uuid:service_id>", "/billing/payments/<uuid:payment_id>", "/settings",
    "/time/<uuid:entry_id>", "/expenses/<uuid:expense_id>", "/engagements/<uuid:engagement_id>",
}
OTHERWISE = re.compile(
    r"/(new|edit|apply|library|draft|sitting|account|adjustment|deactivation|lookup|import|palette|search|setup"
    r"|dates|completion|dashboard|security|rounding|bar|progress|fragment|open-invoices|dev|entries|templates)(/|$)"
)
# Of a job: a conversation, a sum, and time, which has a link of its own once there is some.
NOT_LISTS = {"comments", "wip", "time"}


def lived_in(cast: Cast, **whose: Any) -> World:
    """A firm with one of everything, a wall and something in Pat's inbox included."""
    world = make_world(cast, **whose)
    client_id = world.ids["client_id"]
    keep(Wall(person_id=cast.sam.id, client_id=client_id, reason="Family", created_at=now()))
    keep(
        Notice(
            person_id=cast.pat.id, event_id=1, kind="jobs.role.set", subject_kind="job",
            subject_id=world.ids["job_id"], client_id=client_id, data={"role": "reviewer"}, created_at=now(),
        )
    )
    return world


def sections_of(world: World, actor: Actor) -> list[str]:
    """The pages of a client and of a job, section by section."""
    client, job = f"/clients/{world.ids['client_id']}", f"/jobs/{world.ids['job_id']}"
    return [f"{client}?section={each.key}" for each in sections_for(actor)] + [
        f"{job}?section={each.key}" for each in job_sections() if each.key not in NOT_LISTS
    ]


@pytest.mark.slow
def test_every_page_with_a_list_offers_its_file(app: Flask, client: FlaskClient, cast: Cast) -> None:
    world = lived_in(cast)
    sign_in(client, cast.pat)
    db.session.commit()
    addresses = sections_of(world, cast.actor(cast.pat))
    for rule in rules(app):
        address = world.fill(rule)
        if "GET" not in rule.methods or address is None or OTHERWISE.search(rule.rule):
            continue
        if rule.rule.startswith("/portal") or rule.rule in ONE_THING or rule.rule.endswith(".csv"):
            continue
        addresses.append(address)
    without = []
    for address in addresses:
        page = client.get(address).get_data().decode(errors="replace")
        if "<main" in page and LISTED.search(page) and ".csv" not in page:
            without.append(address)
    assert without == []


def test_a_section_opened_in_the_page_brings_its_file_along(client: FlaskClient, cast: Cast) -> None:
    world = lived_in(cast)
    sign_in(client, cast.pat)
    for address in sections_of(world, cast.actor(cast.pat)):
        if address.startswith("/clients"):
            part = client.get(address, headers={"HX-Request": "true"}).text
            whole = client.get(address).text
            assert "<main" not in part and part.count(".csv") == whole.count(".csv") == 1, address
            found = re.search(r'href="(/lists/[^"]+)"', part)
            assert found is None or client.get(html.unescape(found[1])).text.count("\n") > 1, address


def test_a_file_is_narrowed_as_its_page_is(client: FlaskClient, cast: Cast) -> None:
    world = lived_in(cast)
    sign_in(client, cast.pat)
    rival = cast.rival.id

    def rows_at(address: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO(client.get(address).get_data(as_text=True).removeprefix("\ufeff"))))[1:]

    for of_acme in ("/lists/recurring-work.csv?client_id={}", "/requests/export.csv?client={}",
                    "/billing/payments.csv?client={}", "/billing/clients/{}/statement.csv"):
        assert "Acme" in str(rows_at(of_acme.format(cast.acme.id))) or "statement" in of_acme
        assert "Acme" not in str(rows_at(of_acme.format(rival))), of_acme
    assert "invoices.csv?standing=awaiting" in client.get("/billing/drafts?standing=awaiting").text
    assert "invoices.csv?standing=pending" in client.get("/billing/drafts?standing=paid").text
    balance = rows_at(f"/lists/balance.csv?client_id={cast.acme.id}")
    assert [row[0] for row in balance] == ["Payment"]
    assert len(rows_at("/lists/inbox.csv?show=new")) == len(rows_at("/lists/inbox.csv")) == 1
    client.post("/inbox/reading", data={"until": now().isoformat()})
    assert rows_at("/lists/inbox.csv?show=new") == [] and len(rows_at("/lists/inbox.csv")) == 1
    statement = rows_at(f"/billing/clients/{cast.acme.id}/statement.csv")
    assert [row[1] for row in statement] == ["Brought forward", "Bill", "Payment", "Balance"]
    of_job = rows_at(f"/lists/timeline.csv?job_id={world.ids['job_id']}")
    of_client = rows_at(f"/lists/timeline.csv?client_id={cast.acme.id}")
    assert 0 < len(of_job) < len(of_client)


def test_each_file_holds_what_its_page_shows(app: Flask, client: FlaskClient, cast: Cast) -> None:
    world = lived_in(cast)
    pat = cast.actor(cast.pat)
    asked = {name: str(value) for name, value in world.ids.items()}
    empty = {"closures", "exchange-rates", "run", "finished-not-billed", "waiting-for-a-rate"}
    with app.test_request_context():
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
    world = lived_in(cast, client=cast.rival, engagement=cast.rival_work, contact=cast.otto)
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
