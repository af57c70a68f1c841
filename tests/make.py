"""Typed makers with sane defaults, and the named cast of the tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer

from app.clients.access import actor_for, contact_actor
from app.clients.models import (
    AddressKind,
    Arrangement,
    ArrangementKind,
    Client,
    ClientContact,
    Contact,
    ContactAddress,
    Engagement,
    Wall,
)
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db
from app.core.errors import NotAllowed
from app.core.ids import new_id, new_token, token_hash
from app.core.permissions import Permission, Role
from app.firm.models import Entity, Firm, Office, TaxCode, TaxRate, TaxTreatment
from app.people.models import Person, PersonSession, PersonState, WorkingPattern


def keep(row: Any) -> Any:
    db.session.add(row)
    db.session.flush()
    return row


def spelled(name: str) -> str:
    return name.lower().replace(" ", ".")


def make_person(name: str, role: Role, office: Office, **values: Any) -> Person:
    values.setdefault("grade", role.value)
    person = keep(
        Person(
            name=name,
            sort_key=name.casefold(),
            initials=name[:2].upper(),
            email=f"{name.lower().replace(' ', '.')}@firm.example",
            role=role,
            office_id=office.id,
            state=PersonState.ACTIVE,
            **values,
        )
    )
    keep(WorkingPattern(person_id=person.id, from_on=dt.date(2020, 1, 1), minutes=[450] * 5 + [0, 0]))
    return person


_codes = iter(range(1, 1_000_000))


def make_client(name: str, office: Office, **values: Any) -> Client:
    values.setdefault("code", f"T{next(_codes):05d}")
    values.setdefault("currency", "GBP")
    values.setdefault("address", "4 Mill Lane\nYork YO1 7HH")
    return keep(Client(name=name, sort_key=name.casefold(), office_id=office.id, **values))


def make_contact(name: str, client: Client, **values: Any) -> Contact:
    contact = keep(Contact(name=name, sort_key=name.casefold()))
    keep(
        ContactAddress(
            contact_id=contact.id, kind=AddressKind.EMAIL, value=f"{name.lower().replace(' ', '.')}@client.example"
        )
    )
    values.setdefault("portal_access", True)
    keep(ClientContact(client_id=client.id, contact_id=contact.id, **values))
    return contact


def make_engagement(client: Client, entity: Entity, name: str = "General advice", **values: Any) -> Engagement:
    values.setdefault("number", f"TE{next(_codes):05d}")
    values.setdefault("currency", client.currency)
    kind = values.pop("kind", ArrangementKind.HOURLY)
    fee = values.pop("fee", None)
    engagement = keep(Engagement(client_id=client.id, entity_id=entity.id, name=name, **values))
    keep(Arrangement(engagement_id=engagement.id, currency=engagement.currency, kind=kind, agreed_amount=fee))
    return engagement


def make_tax(
    code: str, treatment: TaxTreatment, percent: str = "0", legend: str = "", *, name: str = "",
    is_default: bool = False, **dates: dt.date,
) -> TaxRate:
    """A code of tax with one rate."""
    keep(TaxCode(code=code, treatment=treatment, is_default=is_default))
    return keep(TaxRate(code=code, name=name or code, treatment=treatment, percent=Decimal(percent), legend=legend,
                        **dates))


@dataclass
class Cast:
    """Pat partner, Mel manager, Sam staff, Bea billing, Ada administrator of the second office, Wes behind a wall
    from Rival; Cleo is a contact of Acme, Otto of Rival."""

    firm: Firm
    entity: Entity
    office: Office
    second_office: Office
    vat: TaxRate
    pat: Person
    mel: Person
    sam: Person
    bea: Person
    ada: Person
    wes: Person
    acme: Client
    rival: Client
    cleo: Contact
    otto: Contact
    acme_work: Engagement
    rival_work: Engagement

    def actor(self, person: Person) -> Actor:
        return actor_for(person)

    def contact(self, contact: Contact) -> Actor:
        return contact_actor(contact)


def make_cast() -> Cast:
    """The firm of the tests; call once in a test (or use the `cast` fixture)."""
    firm = keep(Firm(name="Hartwell & Co", zone="Europe/London", set_up_at=now()))
    entity = keep(
        Entity(
            name="Hartwell & Co Ltd",
            country="GB",
            currency="GBP",
            address="12 Fleet Street\nLondon EC4Y 1AA",
            iban="GB33BUKB20201555555555",
            tax_number="GB123456782",
        )
    )
    office = keep(Office(entity_id=entity.id, name="London", zone="Europe/London", calendar="GB-ENG"))
    second = keep(Office(entity_id=entity.id, name="Dublin", zone="Europe/Dublin", calendar="IE"))
    vat = make_tax("S20", TaxTreatment.STANDARD, "20", name="VAT 20%", is_default=True)
    people = {
        name: make_person(name.capitalize(), role, second if name == "ada" else office)
        for name, role in {
            "pat": Role.PARTNER,
            "mel": Role.MANAGER,
            "sam": Role.STAFF,
            "bea": Role.BILLING,
            "ada": Role.ADMIN,
            "wes": Role.STAFF,
        }.items()
    }
    team = {"partner_id": people["pat"].id, "manager_id": people["mel"].id}
    acme = make_client("Acme Ltd", office, year_end_month=12, year_end_day=31, **team)
    rival = make_client("Rival plc", office, year_end_month=3, year_end_day=31, **team)
    keep(Wall(person_id=people["wes"].id, client_id=rival.id, reason="Family", created_at=now()))
    return Cast(
        firm=firm,
        entity=entity,
        office=office,
        second_office=second,
        vat=vat,
        **people,
        acme=acme,
        rival=rival,
        cleo=make_contact("Cleo", acme),
        otto=make_contact("Otto", rival),
        acme_work=make_engagement(acme, entity, **team),
        rival_work=make_engagement(rival, entity, **team),
    )


def sign_in(client: FlaskClient, person: Person, *, confirmed: bool = False) -> FlaskClient:
    """Give a test client the cookie of a fresh session of this person; `confirmed`: they typed their password now."""
    token = new_token()
    keep(
        PersonSession(
            id=new_id(),
            person_id=person.id,
            token_hash=token_hash(token),
            created_at=now(),
            last_seen_at=now(),
            expires_at=now() + dt.timedelta(hours=12),
            second_factor_at=now(),
            confirmed_at=now() if confirmed else None,
        )
    )
    with client.session_transaction() as session:
        session["_user_id"] = token
        session["_fresh"] = True
    return with_csrf(client)


def with_csrf(client: FlaskClient, path: str = "/") -> FlaskClient:
    """Let this client's posts carry the token of its session, as the pages' own forms do."""
    raw = "0123456789abcdef" * 2
    with client.session_transaction(path=path) as session:
        session["csrf_token"] = raw
    signer = URLSafeTimedSerializer(client.application.secret_key or "", salt="wtf-csrf-token")
    client.environ_base["HTTP_X_CSRFTOKEN"] = str(signer.dumps(raw))
    return client


def count(table: Any) -> int:
    return int(db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def lacking(actor: Actor, *permissions: Permission) -> Actor:
    """The same person, were their role without these."""
    return replace(actor, permissions=actor.permissions - {*permissions})


def kept_from(actor: Actor, *clients: Client) -> Actor:
    """The same person, behind a wall around these clients."""
    return replace(actor, walled_clients=frozenset(client.id for client in clients))


def not_for(actors: tuple[Actor, ...], act: Callable[[Actor], Any]) -> None:
    """None of them may."""
    for by in actors:
        with pytest.raises(NotAllowed):
            act(by)
