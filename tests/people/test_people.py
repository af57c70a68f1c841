"""The people of the firm: invited, changed, gone, back."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.activity.models import Event, EventPayload
from app.core.actors import Actor
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.delivery.models import Delivery
from app.people.commands import people
from app.people.commands.people import PersonDetails
from app.people.models import Person, PersonSession, PersonState, WorkingPattern
from app.people.passwords import common_passwords, hash_password
from tests.make import Cast, count, sign_in, with_csrf

PASSWORD = "seven quiet lanterns"


def details(cast: Cast, **changed: object) -> PersonDetails:
    values = {"name": "Nia Obi", "email": "nia@firm.example", "role": Role.STAFF, "office_id": cast.office.id}
    return PersonDetails(**{**values, **changed})  # type: ignore[arg-type]


def mailed_link(to: str) -> str:
    newest = sa.select(Delivery.text).where(Delivery.recipient == to).order_by(Delivery.id.desc()).limit(1)
    text = db.session.scalar(newest)
    found = re.search(r"http://localhost:8000(/\S+)", text or "")
    assert found is not None
    return found[1]


def test_an_invited_colleague_joins_by_the_link_once(client: FlaskClient, cast: Cast) -> None:
    cast.pat.password_hash = hash_password(PASSWORD)
    sign_in(client, cast.pat)
    form = {"id": str(new_id()), "name": "Nia Obi", "email": "nia@firm.example", "role": "staff", "grade": "Junior",
            "office_id": str(cast.office.id), "current_password": PASSWORD}
    assert client.post("/people/new", data=form).status_code == 303
    assert client.post("/people/new", data=form).status_code == 303
    assert count(Person) == 7
    path = mailed_link("nia@firm.example")
    joining = client.application.test_client()
    assert joining.get(path).status_code == 200 and joining.head(path).status_code == 200
    with_csrf(joining)
    weak = joining.post(path, data={"name": "Nia Obi", "password": "nia@firm.example"})
    assert weak.status_code == 422 and 'id="password-error"' in weak.text
    assert joining.post(path, data={"name": "Nia Ọbi", "password": PASSWORD}).status_code == 303
    assert "Nia Ọbi" in joining.get("/account").text
    assert with_csrf(joining).post(path, data={"name": "X", "password": PASSWORD}).status_code == 404
    nia = db.session.scalars(sa.select(Person).where(Person.email == "nia@firm.example")).one()
    assert nia.state is PersonState.ACTIVE and nia.grade == "Junior" and nia.initials == "NỌ"
    week = db.session.scalars(sa.select(WorkingPattern).where(WorkingPattern.person_id == nia.id)).one()
    assert week.minutes == [450] * 5 + [0, 0]


def test_an_invitation_ends_after_seven_days_and_when_sent_again(client: FlaskClient, cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    nia = people.invite_person(new_id(), details(cast), by=pat)
    first = mailed_link("nia@firm.example")
    people.resend_invitation(nia, by=pat)
    second = mailed_link("nia@firm.example")
    assert client.get(first).status_code == 404 and client.get(second).status_code == 200
    with travel_to(now() + dt.timedelta(days=7, minutes=1)):
        assert client.get(second).status_code == 404


def test_staff_invite_nobody_and_an_administrator_no_partner(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        people.invite_person(new_id(), details(cast), by=cast.actor(cast.sam))
    with pytest.raises(Refused, match="Only a partner"):
        people.invite_person(new_id(), details(cast, role=Role.PARTNER), by=cast.actor(cast.ada))
    with pytest.raises(NotAllowed):
        people.edit_person(cast.pat, details(cast), by=cast.actor(cast.ada))
    with pytest.raises(Refused, match="your own role"):
        people.edit_person(cast.ada, details(cast, role=Role.BILLING), by=cast.actor(cast.ada))


def test_a_role_counts_at_the_next_request(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    assert client.get("/settings/firm").status_code == 403
    people.edit_person(cast.sam, details(cast, name="Sam", email="sam@firm.example", role=Role.ADMIN),
                       by=cast.actor(cast.pat))
    assert client.get("/settings/firm").status_code == 200


def test_a_forged_role_field_changes_nothing(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    forged = {"role": "partner", "state": "active", "password_hash": "x", "email": "a@b.c"}
    client.post("/account", data={"name": "Sam", **forged})
    db.session.refresh(cast.sam)
    assert cast.sam.role is Role.STAFF and cast.sam.email == "sam@firm.example" and cast.sam.password_hash is None


def test_changing_a_role_asks_for_the_password(client: FlaskClient, cast: Cast) -> None:
    cast.pat.password_hash = hash_password(PASSWORD)
    sign_in(client, cast.pat)
    form = {"name": "Sam", "email": "sam@firm.example", "role": "manager", "office_id": str(cast.office.id)}
    path = f"/people/{cast.sam.id}/edit"
    assert client.post(path, data=form).status_code == 422
    assert client.post(path, data={**form, "current_password": PASSWORD}).status_code == 303
    told = sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id)
    data = db.session.scalars(told.where(Event.kind == "people.person.update")).one()
    assert data is not None and data["changes"]["role"] == ["staff", "manager"]


def test_whoever_leaves_is_out_at_the_next_request_and_their_work_is_handed_over(
    client: FlaskClient, app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[tuple[Person, Person | None, Actor]] = []
    monkeypatch.setattr(people, "_on_deactivate", [lambda person, to, by: handed.append((person, to, by))])
    sign_in(client, cast.sam)
    assert client.get("/account").status_code == 200
    people.deactivate_person(cast.sam, by=cast.actor(cast.pat), to=cast.mel)
    assert client.get("/account").headers["Location"].startswith("/sign-in")
    assert [(p.name, t and t.name) for p, t, _by in handed] == [("Sam", "Mel")]
    cast.sam.password_hash = hash_password(PASSWORD)
    db.session.flush()
    refused = with_csrf(app.test_client()).post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD})
    assert refused.status_code == 422
    assert all(row.revoked_at for row in db.session.scalars(sa.select(PersonSession)))


def test_a_hand_over_that_fails_leaves_everything_as_it_was(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(person: Person, to: Person | None, by: Actor) -> None:
        raise Refused("Mel is behind a wall from this work.")

    monkeypatch.setattr(people, "_on_deactivate", [fail])
    db.session.commit()
    with pytest.raises(Refused):
        people.deactivate_person(cast.sam, by=cast.actor(cast.pat), to=cast.mel)
    db.session.refresh(cast.sam)
    assert cast.sam.state is PersonState.ACTIVE


def test_the_last_who_can_change_people_cannot_go(cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    people.deactivate_person(cast.ada, by=pat)
    with pytest.raises(Refused, match="yourself"):
        people.deactivate_person(cast.pat, by=pat)
    with pytest.raises(Refused, match="last who can"):
        people.deactivate_person(cast.pat, by=replace(pat, id=cast.mel.id))


def test_somebody_comes_back_with_their_password(client: FlaskClient, cast: Cast) -> None:
    cast.sam.password_hash = hash_password(PASSWORD)
    pat = cast.actor(cast.pat)
    people.deactivate_person(cast.sam, by=pat)
    people.reactivate_person(cast.sam, by=pat)
    answer = with_csrf(client).post("/sign-in", data={"email": "sam@firm.example", "password": PASSWORD})
    assert answer.status_code == 303


def test_hours_hold_from_their_date_on(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    path = f"/people/{cast.sam.id}/hours"
    days = {f"days-{n}": text for n, text in enumerate(["6", "6:00", "6h", "360m", "", "0", "0"])}
    assert client.post(path, data={"from_on": "2027-01-01", **days}).status_code == 303
    patterns = db.session.scalars(
        sa.select(WorkingPattern).where(WorkingPattern.person_id == cast.sam.id).order_by(WorkingPattern.from_on)
    ).all()
    assert [(p.from_on.year, p.minutes[0], p.minutes[4]) for p in patterns] == [(2020, 450, 450), (2027, 360, 0)]
    wrong = client.post(path, data={"from_on": "2027-02-01", **days, "days-2": "45"})
    assert wrong.status_code == 422 and 'value="45"' in wrong.text


def test_colleagues_are_listed_and_their_page_keeps_its_query_count(
    client: FlaskClient, cast: Cast, max_queries  # type: ignore[no-untyped-def]
) -> None:
    sign_in(client, cast.wes)
    client.get("/people")
    with max_queries(8):
        page = client.get("/people")
    assert page.status_code == 200 and "Ada" in page.text and "Invite a colleague" not in page.text


def test_every_common_password_is_refused_whatever_its_dress(cast: Cast) -> None:
    from app.people.passwords import check_password

    tried = [p for p in sorted(common_passwords()) if len(p) >= 10]
    assert len(tried) >= 10_000 and {"qwertyuiop", "password123", "1qaz2wsx3edc", "basketball"} <= set(tried)
    dressed = [p.upper() for p in tried[::20]]
    for password in [*tried, *dressed, "Password2026!", "BasketBall", "1234567890", "aaaaaaaaaaaa"]:
        with pytest.raises(Refused):
            check_password(password)
    for password in ("seven quiet lanterns", "x" * 5 + "kloppstock" * 6, "äöü ß ☃ lantern", "0123 4567 lanternist"):
        check_password(password)


def test_the_list_of_people_can_be_taken_out_and_leaves_a_trace(client: FlaskClient, cast: Cast) -> None:
    cast.sam.name = "=HYPERLINK(1)"
    db.session.flush()
    assert sign_in(client, cast.wes).get("/people.csv").status_code == 403
    listed = sign_in(client, cast.pat).get("/people.csv")
    assert listed.mimetype == "text/csv" and "mel@firm.example" in listed.text
    assert "\n=HYPERLINK" not in listed.text
    assert db.session.scalar(sa.select(sa.func.count()).where(Event.kind == "exchange.list.export")) == 1


def test_who_takes_list_after_list_is_slowed_down_and_nobody_else(client: FlaskClient, cast: Cast) -> None:
    from app.firm.exports import MOST, WITHIN, record_export

    for _ in range(MOST):
        record_export("people", by=cast.actor(cast.pat))
    refused = sign_in(client, cast.pat).get("/people.csv")
    assert refused.status_code == 429 and 0 < int(refused.headers["Retry-After"]) <= WITHIN.total_seconds() + 1
    record_export("people", by=cast.actor(cast.mel))
    with travel_to(now() + WITHIN):
        record_export("people", by=cast.actor(cast.pat))
