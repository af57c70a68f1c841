"""What opens the house to somebody asks for the password again, and tells whom it concerns by mail."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from html import unescape
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, selectinload

from app.activity.commands import run_reader, seal_events
from app.approvals.commands import LimitFacts, set_limit
from app.approvals.models import ApprovalKind
from app.clients.commands import raise_wall
from app.clients.models import ClientContact, Contact
from app.core import clock
from app.core.db import db
from app.core.ids import new_id
from app.core.permissions import Role
from app.core.sealing import seal
from app.delivery.models import Delivery
from app.exchange.clients.commands import keep_import, read_import
from app.exchange.clients.commands.importing import _add_addresses
from app.exchange.clients.prospects import Person
from app.firm.commands.entities import EntityFacts, update_entity
from app.people.models import PersonSession, PersonState
from app.people.passwords import hash_password
from tests.calls import ROOT
from tests.make import Cast, count, sign_in
from tests.test_edit_forms import rows

PASSWORD = "seven quiet lanterns"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@dataclass
class Act:
    """Where it is posted and what with, made ready by `ready`; whose mail tells of it, by subject."""

    ready: Callable[[Cast], tuple[str, dict[str, Any]]]
    told: dict[str, str]


def _limit(cast: Cast) -> str:
    facts = LimitFacts(entity_id=cast.entity.id, kind=ApprovalKind.BILL, amount=Decimal(500), from_on=clock.today(),
                       person_id=cast.bea.id)
    return f"/settings/approval-limits/{set_limit(new_id(), facts, by=cast.actor(cast.pat)).id}/withdrawal"


def _wall(cast: Cast) -> str:
    return f"/walls/{raise_wall(new_id(), cast.sam, cast.acme, 'Family', by=cast.actor(cast.pat)).id}/removal"


def _second_factor(cast: Cast, name: str, path: str) -> tuple[str, dict[str, Any]]:
    getattr(cast, name).totp_secret = seal(SECRET, purpose="totp")
    return path, {}


def _left(cast: Cast) -> tuple[str, dict[str, Any]]:
    cast.sam.state, cast.sam.deactivated_at = PersonState.DEACTIVATED, clock.now()
    cast.sam.password_hash = cast.pat.password_hash
    return f"/people/{cast.sam.id}/reactivation", {}


def _sam(cast: Cast, **changed: str) -> tuple[str, dict[str, Any]]:
    said = {"name": "Sam", "email": "sam@firm.example", "role": "staff", "office_id": str(cast.office.id)}
    return f"/people/{cast.sam.id}/edit", {**said, **changed}


def _entity(cast: Cast, **changed: str) -> dict[str, Any]:
    return {"name": cast.entity.name, "country": "GB", "currency": "GBP", "address": cast.entity.address,
            "tax_number": cast.entity.tax_number, "iban": "GB82WEST12345698765432", "tax_point": "supply",
            "line_grouping": "engagement", "year_end_month": "12", "year_end_day": "31", "terms_days": "14", **changed}


def _let_in(cast: Cast) -> None:
    """Cleo sees Acme in the portal."""
    _standing(cast).portal_access = True
    db.session.flush()


def _standing(cast: Cast) -> ClientContact:
    of = sa.select(ClientContact).where(ClientContact.contact_id == cast.cleo.id,
                                        ClientContact.client_id == cast.acme.id)
    return db.session.scalars(of).one()


def _contact(cast: Cast, path: str, **form: str) -> tuple[str, dict[str, Any]]:
    _let_in(cast)
    return f"/contacts/{cast.cleo.id}{path}", form


def _shut_out(cast: Cast) -> tuple[str, dict[str, Any]]:
    _standing(cast).portal_access = False
    db.session.flush()
    return f"/clients/{cast.acme.id}/contacts/{cast.cleo.id}", {"role": "", "portal_access": "y"}


def _archived(cast: Cast) -> tuple[str, dict[str, Any]]:
    cast.cleo.archived_at = clock.now()
    return _contact(cast, "/restore")


def _list(cast: Cast) -> tuple[str, dict[str, Any]]:
    text = b"Client code,Name,Email\nN1,Nia Rees,nia@rees.example\n"
    found = read_import(new_id(), "list.csv", text, cast.office.id, by=cast.actor(cast.pat), portal_access=True)
    return f"/clients/import/{keep_import(found, by=cast.actor(cast.pat)).id}/start", {}


CLEO = "cleo@client.example"
ACTS: dict[str, Act] = {
    "a new contact with access": Act(
        lambda cast: (f"/clients/{cast.acme.id}/contacts", {
            "id": str(new_id()), "name": "Nia", "emails": "nia@client.example", "portal_access": "y"}),
        {"nia@client.example": "You can use our portal"}),
    "changing a contact's address": Act(
        lambda cast: _contact(cast, "", name="Cleo", emails="cleo@new.example"),
        {CLEO: "Your access to our portal was changed", "cleo@new.example": "You can use our portal"}),
    "giving a contact one more address": Act(
        lambda cast: _contact(cast, "", name="Cleo", emails=f"{CLEO}\ncleo@new.example"),
        {CLEO: "Your access to our portal was changed", "cleo@new.example": "You can use our portal"}),
    "letting a contact in": Act(_shut_out, {CLEO: "You can use our portal"}),
    "keeping a contact out": Act(
        lambda cast: (_let_in(cast), (f"/clients/{cast.acme.id}/contacts/{cast.cleo.id}", {"role": ""}))[1],
        {CLEO: "Your access to our portal was changed"}),
    "taking a contact off a client": Act(
        lambda cast: (_let_in(cast), (f"/clients/{cast.acme.id}/contacts/{cast.cleo.id}/removal", {}))[1],
        {CLEO: "Your access to our portal was changed"}),
    "archiving a contact": Act(
        lambda cast: _contact(cast, "/archive"), {CLEO: "Your access to our portal was changed"}),
    "bringing a contact back": Act(_archived, {CLEO: "You can use our portal"}),
    "an import that lets contacts in": Act(_list, {}),
    "who gets the log's end": Act(
        lambda cast: ("/settings/tamper-evidence", {"partner": str(cast.pat.id)}), {}),
    "resetting another's second factor": Act(
        lambda cast: _second_factor(cast, "sam", f"/people/{cast.sam.id}/second-factor/reset"),
        {"sam@firm.example": "Your second factor was taken off"}),
    "bringing somebody back": Act(_left, {"sam@firm.example": "You can sign in again"}),
    "changing another's address": Act(
        lambda cast: _sam(cast, email="samuel@firm.example"), {"sam@firm.example": "Your sign-in address was changed"}),
    "changing another's role": Act(
        lambda cast: _sam(cast, role="manager"), {"sam@firm.example": "Your role was changed"}),
    "inviting somebody": Act(
        lambda cast: ("/people/new", {**_sam(cast, name="Nia", email="nia@firm.example")[1], "id": str(new_id())}),
        {"nia@firm.example": "You are invited to join"}),
    "deactivating somebody": Act(lambda cast: (f"/people/{cast.sam.id}/deactivation", {"to": ""}), {}),
    "setting a limit of approval": Act(
        lambda cast: ("/settings/approval-limits", {
            "id": str(new_id()), "who": "billing", "kind": "bill", "entity_id": str(cast.entity.id),
            "amount": "1,250.00", "from_on": clock.today().isoformat()}),
        {"bea@firm.example": "Your limit of approval"}),
    "withdrawing a limit": Act(lambda cast: (_limit(cast), {}), {"bea@firm.example": "Your limit of approval"}),
    "putting up a wall": Act(
        lambda cast: (f"/clients/{cast.acme.id}/walls", {
            "id": str(new_id()), "person_id": str(cast.sam.id), "engagement_id": "", "reason": "Family"}), {}),
    "taking down a wall": Act(lambda cast: (_wall(cast), {}), {}),
    "asking for a second factor or not": Act(lambda cast: ("/settings/security", {"require_totp": "y"}), {}),
    "setting up an entity": Act(
        lambda cast: ("/settings/entities/new", {**_entity(cast, name="Second Ltd"), "id": str(new_id())}), {}),
    "changing where clients pay": Act(lambda cast: (f"/settings/entities/{cast.entity.id}", _entity(cast)), {}),
    "changing one's own address": Act(
        lambda cast: ("/account/email", {"email": "patricia@firm.example"}),
        {"pat@firm.example": "Your sign-in address was changed"}),
    "changing one's own password": Act(
        lambda cast: ("/account/password", {"password": "eight loud trombones"}),
        {"pat@firm.example": "Your password was changed"}),
    "setting up a second factor": Act(
        lambda cast: ("/account/second-factor", {
            "secret": seal(SECRET, purpose="enrolment"), "code": pyotp.TOTP(SECRET).at(clock.now())}),
        {"pat@firm.example": "A second factor was set up"}),
    "making new recovery codes": Act(
        lambda cast: _second_factor(cast, "pat", "/account/second-factor/recovery-codes"),
        {"pat@firm.example": "New recovery codes"}),
    "taking one's own second factor off": Act(
        lambda cast: _second_factor(cast, "pat", "/account/second-factor/removal"),
        {"pat@firm.example": "Your second factor is off"}),
}
# Every other post of the rooms that have some of these, and why it is not asked again.
UNASKED = {
    "contacts.link": "to one more client, which they do not see in the portal before that is changed",
    "imports.create": "a file", "imports.read_again": "a file", "imports.update": "columns", "imports.use": "columns",
    "imports.remove": "columns", "imports.rename": "columns",
    "imports.undo": "takes back what was confirmed",
    "account.update": "one's own name and number format",
    "account.end_session": "ends a way in, opens none",
    "account.end_other_sessions": "ends ways in, opens none",
    "people.update_hours": "working hours",
    "people.invite_again": "goes to the address that was confirmed",
    "settings.update_firm": "name and colours",
    "settings.set_logo": "a picture",
    "settings.remove_logo": "a picture",
    "places.create_office": "an office",
    "places.update_office": "an office",
    "places.archive_office": "an office",
    "places.add_closure": "a day off",
    "places.remove_closure": "a day off",
}


# Rooms of work: what is done there opens nothing to anybody and moves no money's way.
WORK = {
    "applications", "approvals", "arrangements", "bill_runs", "board", "books", "client", "comments", "deadlines",
    "documents", "drafts", "editions", "engagements", "exchange_rates", "expense_tax", "expenses", "failures", "inbox",
    "issuing", "job_dates", "job_engagement", "jobs", "leave", "lines", "money", "payments", "rates", "receivables",
    "request_forms", "request_items", "requests", "runs", "series", "services", "stages", "task_edits", "tasks",
    "template_parts", "templates", "time", "timers", "undo", "wip",
    "portal.requests", "portal.uploads", "portal.home",
}
# Doors: who comes in there proves who they are by what they bring.
DOORS = {"sign_in", "sign_out", "setup", "portal.sign_in", "portal.account"}


def stale(client: FlaskClient, cast: Cast) -> FlaskClient:
    """Pat's, with a password that was last typed sixteen minutes ago."""
    cast.pat.password_hash = hash_password(PASSWORD)
    sign_in(client, cast.pat)
    db.session.execute(sa.update(PersonSession).values(confirmed_at=clock.now() - dt.timedelta(minutes=16)))
    return client


def mails_since(first: int) -> dict[str, str]:
    every = db.session.execute(sa.select(Delivery.recipient, Delivery.subject).order_by(Delivery.id)).all()
    return {recipient: subject for recipient, subject in every[first:]}


@pytest.mark.parametrize("name", ACTS)
def test_it_is_not_done_without_the_password_and_is_done_and_told_with_it(
    session: Session, client: FlaskClient, cast: Cast, name: str
) -> None:
    stale(client, cast)
    path, form = ACTS[name].ready(cast)
    db.session.flush()
    before, mailed = rows(session), count(Delivery)
    for typed in ({}, {"current_password": ""}, {"current_password": "not the password"}):
        answer = client.post(path, data={**form, **typed})
        assert answer.status_code == 422 and 'name="current_password"' in answer.text, typed
        assert all(str(form.get(field, "")) in unescape(answer.text) for field in ("name", "email", "reason", "id"))
    after = rows(session)
    after.pop("sign_in_attempt"), before.pop("sign_in_attempt", None)
    assert after == before and count(Delivery) == mailed
    done = client.post(path, data={**form, "current_password": PASSWORD})
    assert done.status_code in (200, 303), done.text
    assert rows(session) != after
    assert mails_since(mailed) == ACTS[name].told


def test_every_post_of_these_rooms_is_either_asked_again_or_said_to_need_it_not(
    app: Flask, cast: Cast, client: FlaskClient
) -> None:
    """A new act has to be put into the table of docs/security.md and tried here, or be said to need it not."""
    cast.pat.password_hash = hash_password(PASSWORD)
    posts = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    posts = {each for each in posts if each.rpartition(".")[0] not in WORK | DOORS}
    adapter = app.url_map.bind("localhost")
    asked = {adapter.match(act.ready(cast)[0], method="POST")[0] for act in ACTS.values()}
    assert posts == asked | set(UNASKED) and not asked & set(UNASKED)
    table = (ROOT / "docs" / "security.md").read_text().split("## Acts that ask")[1].split("\n## ")[0]
    assert asked == set(re.findall(r"^\|[^|]+\| `([a-z_.]+)` \|[^|]+\|$", table, re.M))


def test_where_nothing_opens_no_password_is_asked_for_and_nobody_is_told(client: FlaskClient, cast: Cast) -> None:
    """A name, a role, the same address in capitals; an address of somebody who does not see anybody in the portal."""
    stale(client, cast)
    _let_in(cast)
    for form in ({"name": "Cleo May", "emails": CLEO}, {"name": "Cleo", "emails": CLEO.upper()}):
        assert client.post(f"/contacts/{cast.cleo.id}", data=form).status_code == 303
    standing = f"/clients/{cast.acme.id}/contacts/{cast.cleo.id}"
    assert client.post(standing, data={"role": "Director", "portal_access": "y"}).status_code == 303
    _shut_out(cast)
    assert client.post(f"/contacts/{cast.cleo.id}", data={"name": "Cleo", "emails": "c@x.example"}).status_code == 303
    assert client.post(f"/contacts/{cast.cleo.id}/archive").status_code == 303
    assert count(Delivery) == 0


def test_a_mail_about_access_names_the_client_but_no_other_address(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat, confirmed=True)
    path, form = _shut_out(cast)
    client.post(path, data=form)
    path, form = _contact(cast, "", name="Cleo", emails="cleo@new.example")
    client.post(path, data=form)
    given, old, new = db.session.scalars(sa.select(Delivery).order_by(Delivery.id)).all()
    assert cast.acme.name in given.text and "/portal/" in given.text
    assert "no longer opens" in old.text and "cleo@new.example" not in old.text + old.html
    assert "sign in to our portal with this e-mail address" in new.text and CLEO not in new.text


def test_an_address_that_a_list_adds_to_somebody_with_access_is_told_to_both(cast: Cast) -> None:
    _let_in(cast)
    person = Person(cast.cleo.name, emails=[CLEO, "cleo@new.example"])
    with_addresses = selectinload(Contact.addresses)
    cleo = db.session.get_one(Contact, cast.cleo.id, options=[with_addresses], populate_existing=True)
    _add_addresses(cleo, ["cleo@new.example"], person)
    assert mails_since(0) == {
        CLEO: "Your access to our portal was changed", "cleo@new.example": "You can use our portal"}


def test_where_clients_pay_is_told_to_everybody_else_who_may_change_it(cast: Cast) -> None:
    facts = EntityFacts(name=cast.entity.name, country="GB", currency="GBP", iban="GB82WEST12345698765432")
    update_entity(cast.entity, facts, by=cast.actor(cast.pat))
    update_entity(cast.entity, replace(facts, invoice_note="Thank you"), by=cast.actor(cast.pat))
    seal_events()
    while run_reader("people.bank"):
        pass
    told = db.session.scalars(sa.select(Delivery)).all()
    assert [mail.recipient for mail in told] == ["ada@firm.example"]
    assert "Pat changed the bank details of" in told[0].text


def test_what_was_sent_is_sent_again_by_the_page_that_asks(client: FlaskClient, cast: Cast) -> None:
    stale(client, cast)
    path, _form = _second_factor(cast, "sam", f"/people/{cast.sam.id}/second-factor/reset")
    asked = client.post(path, data={"kept": "“this & that”", "current_password": "wrong"})
    assert 'name="kept" value="“this &amp; that”"' in asked.text and "This is not your password." in asked.text
    assert asked.text.count('name="csrf_token"') >= 1 and "wrong" not in asked.text.split("<main")[1]


def test_who_may_not_is_told_so_before_any_password_is_asked_for(client: FlaskClient, cast: Cast) -> None:
    cast.pat.totp_secret = seal(SECRET, purpose="totp")
    wall = _wall(cast)
    limit = _limit(cast)
    sign_in(client, cast.ada)
    assert client.post(f"/people/{cast.pat.id}/second-factor/reset").status_code == 403
    sign_in(client, cast.mel)
    assert client.post(f"/people/{cast.sam.id}/reactivation").status_code == 403
    assert client.post(wall).status_code == 403
    assert client.post(limit).status_code == 404


def test_a_name_with_signs_of_html_stays_text_in_the_mail(client: FlaskClient, cast: Cast) -> None:
    cast.pat.name = 'Pat <img src="x">'
    stale(client, cast)
    db.session.flush()
    path, form = _sam(cast, role="manager")
    assert client.post(path, data={**form, "current_password": PASSWORD}).status_code == 303
    mail = db.session.scalars(sa.select(Delivery).where(Delivery.recipient == "sam@firm.example")).one()
    assert "Pat &lt;img" in mail.html and "<img" not in mail.html
    assert 'Pat <img src="x"> changed your role from staff to manager.' in mail.text


def test_an_invitation_sent_to_a_wrong_address_is_dead_once_the_address_is_put_right(
    client: FlaskClient, cast: Cast
) -> None:
    from app.people.commands import people
    from tests.people.test_people import details, mailed_link

    nia = people.invite_person(new_id(), details(cast, email="stranger@elsewhere.example"), by=cast.actor(cast.pat))
    wrong = mailed_link("stranger@elsewhere.example")
    people.edit_person(nia, details(cast), by=cast.actor(cast.pat))
    assert client.get(wrong).status_code == 404 and client.get(mailed_link("nia@firm.example")).status_code == 200
    assert count(Delivery) == 2, "the stranger is not told where Nia is"


def test_a_limit_of_a_role_is_told_to_each_who_has_it_but_who_set_it(cast: Cast) -> None:
    facts = LimitFacts(entity_id=cast.entity.id, kind=ApprovalKind.BILL, amount=Decimal("1250.5"),
                       from_on=clock.today(), role=Role.BILLING)
    set_limit(new_id(), facts, by=cast.actor(cast.ada))
    set_limit(new_id(), facts, by=cast.actor(cast.ada))
    told = db.session.scalars(sa.select(Delivery.text).order_by(Delivery.id)).all()
    assert len(told) == 2 and all("up to GBP 1,250.50, as Ada set it" in text for text in told)
