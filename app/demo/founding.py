"""The demo firm on its first day: offices, people, services, clients."""

from __future__ import annotations

import datetime as dt
import random
import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta

from app.catalogue.commands.library import install_service
from app.catalogue.models import Service
from app.clients.commands.clients import ClientFacts, create_client, create_firm_client
from app.clients.commands.contacts import ContactFacts, Standing, create_contact
from app.clients.commands.engagements import EngagementFacts, create_engagement, engagement_for_service
from app.clients.models import Client, ClientContact, ClientKind, Contact, Engagement, PayrollFrequency
from app.core import clock
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import db, in_one_piece
from app.core.ids import new_id
from app.core.rounding import RoundingRule
from app.demo.cast import (
    AWAY,
    COLLEAGUES,
    COMPANIES,
    DUBLIN,
    EURO_RATES,
    FIRST,
    INDIVIDUALS,
    LAST,
    LONDON,
    NO_ADDRESS,
    NOBODYS,
    PAYS_LATE,
    RATES,
    WEEKS_AWAY,
)
from app.demo.services import HOURS_A_YEAR, LIBRARY, OWN, as_sold
from app.firm.commands.entities import EntityFacts, OfficeFacts, create_entity, create_office
from app.firm.commands.tax import create_usual_rates
from app.firm.countries import UsualRate, usual_rates
from app.firm.models import Entity, Firm, Office, TaxTreatment
from app.people.commands.leave import NewLeave, add_leave
from app.people.commands.people import PersonDetails, invite_person
from app.people.models import LeaveKind, Person, PersonState
from app.planning.commands.series import SeriesValues, begin_series
from app.timekeeping.commands.rates import RateFacts, add_rate

ADVISORY = "General advice"
COUNTRY = {LONDON: "GB", DUBLIN: "IE"}
TOWNS = {LONDON: ("London", "Reading", "Leeds", "Bristol"), DUBLIN: ("Dublin", "Bray", "Naas", "Drogheda")}


@dataclass
class House:
    """The demo firm as its history needs it."""

    entities: dict[str, Entity]
    offices: dict[str, Office]
    people: dict[str, Person]
    internal: Engagement
    clients: list[Client] = field(default_factory=list)
    contacts: dict[UUID, Contact] = field(default_factory=dict)
    advice: dict[UUID, Engagement] = field(default_factory=dict)
    busy: dict[UUID, float] = field(default_factory=dict)

    def of_office(self, office: str) -> list[Person]:
        return [person for person in self.people.values() if person.office_id == self.offices[office].id]


def found_firm(start: dt.date, last: dt.date, dice: random.Random) -> House:
    """Everything as it stands on the first morning, dated `start`; known so far is who is away until after `last`."""
    with clock.travel_to(dt.datetime.combine(start, dt.time(8), clock.zone())), in_one_piece():
        house = _firm()
        _leave(house, last, dice)
        services = {
            key: [install_service(as_sold(code), by=SYSTEM) for code in codes] for key, codes in LIBRARY.items()
        }
        services |= {key: [install_service(ready, by=SYSTEM)] * 2 for key, ready in OWN.items()}
        for row in COMPANIES:
            _company(house, row, services, start, dice)
        for name, office in INDIVIDUALS:
            _individual(house, name, office, services["s"], start, dice)
        return house


def find_house() -> House:
    """The firm as it was founded, when its history is taken up again."""
    session = db.session
    offices = {office.name: office for office in session.scalars(sa.select(Office))}
    clients = session.scalars(sa.select(Client).where(~Client.is_firm).order_by(Client.id)).all()
    advice = session.scalars(sa.select(Engagement).where(Engagement.name == ADVISORY)).all()
    rows = session.execute(
        sa.select(ClientContact.client_id, Contact).join(Contact, Contact.id == ClientContact.contact_id)
        .where(ClientContact.is_primary)
    ).all()
    contacts: dict[UUID, Contact] = {client_id: contact for client_id, contact in rows}
    house = House(
        entities={name: session.get_one(Entity, office.entity_id) for name, office in offices.items()},
        offices=offices,
        people={person.name: person for person in session.scalars(sa.select(Person).order_by(Person.id))},
        internal=session.scalars(sa.select(Engagement).where(Engagement.number == "INTERNAL")).one(),
        clients=list(clients), contacts=contacts, advice={each.client_id: each for each in advice},
    )
    session.expunge_all()  # they outlive every day's session as they were read
    return house


def _leave(house: House, last: dt.date, dice: random.Random) -> None:
    """Holidays are entered long before; each colleague goes near the same weeks as the others."""
    for person in house.people.values():
        shift = dice.randint(-12, 12)
        weeks = [(first + shift, until + shift) for first, until in WEEKS_AWAY]
        weeks += [(first, until) for name, first, until in AWAY if name == person.name]
        for first, until in weeks:
            from_on, to_on = (last + dt.timedelta(days=days) for days in (first, until))
            add_leave(person, NewLeave(id=new_id(), kind=LeaveKind.HOLIDAY, from_on=from_on, to_on=to_on), by=SYSTEM)


def _firm() -> House:
    session = db.session
    firm = Firm(
        id=new_id(),
        name="Hartwell & Brennan",
        zone="Europe/London",
        accent="#1f6f5c",
        set_up_at=now(),
        rounding=RoundingRule().to_json(),
    )
    session.add(firm)
    session.flush()
    entity = create_entity(
        new_id(),
        EntityFacts(
            name="Hartwell & Brennan Ltd",
            country="GB",
            currency="GBP",
            address="12 Fleet Street\nLondon EC4Y 1AA",
            tax_number="GB980780684",
            registration_number="09876543",
            bank_name="Barclays",
            iban="GB33BUKB20201555555555",
            bic="BUKBGB22",
        ),
        by=SYSTEM,
    )
    irish_rates = [
        UsualRate(f"S{percent}", f"VAT {percent}% (Ireland)", TaxTreatment.STANDARD, Decimal(percent))
        for percent in ("23", "13.5")
    ]
    create_usual_rates([*usual_rates("GB"), *irish_rates], by=SYSTEM)
    irish = create_entity(
        new_id(),
        EntityFacts(
            name="Hartwell & Brennan (Ireland) Ltd",
            country="IE",
            currency="EUR",
            address="8 Merrion Row\nDublin 2\nD02 KW79",
            tax_number="IE6388047V",
            registration_number="512345",
            bank_name="Allied Irish Banks",
            iban="IE29AIBK93115212345678",
            bic="AIBKIE2D",
            tax_code="S23",
        ),
        by=SYSTEM,
    )
    offices = {
        LONDON: create_office(
            new_id(), OfficeFacts(
                entity_id=entity.id, name=LONDON, zone="Europe/London", calendar="GB-ENG", phone="+44 20 7946 0100",
                email="london@hartwell.example",
            ), by=SYSTEM
        ),
        DUBLIN: create_office(
            new_id(), OfficeFacts(
                entity_id=irish.id, name=DUBLIN, zone="Europe/Dublin", calendar="IE", phone="+353 1 531 0100",
                email="dublin@hartwell.example",
            ), by=SYSTEM
        ),
    }
    people = {}
    for colleague in COLLEAGUES:
        email = f"{colleague.name.split()[0].lower().replace('í', 'i')}@hartwell.example"
        details = PersonDetails(
            name=colleague.name,
            email=email,
            role=colleague.role,
            office_id=offices[colleague.office].id,
            grade=colleague.grade,
        )
        minutes = [round(hours * 60) for hours in (*colleague.week, *(0,) * 7)][:7]
        person = invite_person(new_id(), details, by=SYSTEM, minutes=minutes, invite=False)
        person.state = PersonState.ACTIVE
        people[colleague.name] = person
    for currency, rates in (("GBP", RATES), ("EUR", EURO_RATES)):
        for grade, amount in rates.items():
            facts = RateFacts(from_on=clock.today(), amount=Decimal(amount), currency=currency, grade=grade)
            add_rate(new_id(), facts, by=SYSTEM)
    own = create_firm_client(
        office_id=offices[LONDON].id, entity_id=entity.id, name=firm.name, currency="GBP", by=SYSTEM
    )
    internal = session.scalars(sa.select(Engagement).where(Engagement.client_id == own.id)).first()
    assert internal is not None
    return House({LONDON: entity, DUBLIN: irish}, offices, people, internal)


def _team(house: House, office: str, dice: random.Random) -> tuple[Person, Person]:
    names = ("Patricia Hartwell", "Melanie Osei") if office == LONDON else ("Oisín Brennan", "Rory Fitzgerald")
    partner, manager = (house.people[name] for name in names)
    if dice.random() < 0.15:
        partner = house.people["Oisín Brennan" if office == LONDON else "Patricia Hartwell"]
    return partner, manager


def _company(
    house: House, row: tuple[str, str, str, int], services: dict[str, list[Service]], start: dt.date,
    dice: random.Random,
) -> None:
    name, office, held, month = row
    partner, manager = _team(house, office, dice)
    end = dt.date(2000, month, 1) + relativedelta(months=1, days=-1)
    client = create_client(
        new_id(),
        ClientFacts(
            name=name,
            office_id=house.offices[office].id,
            year_end_month=month,
            year_end_day=28 if month == 2 else end.day,
            vat_stagger=dice.choice((1, 2, 3)),
            **(_payroll(house, start) if "p" in held else {}),
            partner_id=partner.id,
            manager_id=manager.id,
            country=COUNTRY[office],
            address=_postal_address(office, dice),
            terms_days=None if name in PAYS_LATE else dice.choice((None, None, 30)),
            tags=[dice.choice(("retail", "professional", "trades", "hospitality"))],
        ),
        by=SYSTEM,
    )
    _contacts(house, client, dice, dice.choice((1, 1, 2)))
    house.advice[client.id] = create_engagement(
        new_id(), client, EngagementFacts(name=ADVISORY, starts_on=start, practice_area="Advisory"), by=SYSTEM
    )
    house.clients.append(client)
    for key in held:
        _series(house, client, services[key][office == DUBLIN], start, dice)


def _payroll(house: House, start: dt.date) -> dict[str, Any]:
    """By the month, on its last day; one client in six pays every four weeks, on a Friday."""
    if len(house.clients) % 6 == 1:
        friday = start + dt.timedelta(days=(4 - start.weekday()) % 7)
        return {"payroll_frequency": PayrollFrequency.FOUR_WEEKLY, "first_pay_day": friday}
    return {
        "payroll_frequency": PayrollFrequency.MONTHLY,
        "first_pay_day": start + relativedelta(day=31),
    }


def _postal_address(office: str, dice: random.Random) -> str:
    """As a bill must name it."""
    street = dice.choice(("High Street", "Mill Lane", "Quay Road", "Station Road"))
    return f"{dice.randint(1, 180)} {street}\n{dice.choice(TOWNS[office])}"


def _individual(
    house: House, name: str, office: str, services: list[Service], start: dt.date, dice: random.Random
) -> None:
    partner, manager = _team(house, office, dice)
    client = create_client(
        new_id(),
        ClientFacts(
            name=name,
            kind=ClientKind.PERSON,
            address=_postal_address(office, dice),
            office_id=house.offices[office].id,
            partner_id=partner.id,
            manager_id=manager.id,
            country=COUNTRY[office],
            tags=["personal tax"],
            year_end_month=4 if office == LONDON else 12,
            year_end_day=5 if office == LONDON else 31,
        ),
        by=SYSTEM,
    )
    contact = create_contact(
        new_id(),
        ContactFacts(name=name, emails=[_address(name, len(house.clients))]),
        client,
        Standing(role="self", portal_access=True, is_primary=True),
        by=SYSTEM,
        quietly=True,
    )
    house.contacts[client.id] = contact
    house.clients.append(client)
    _series(house, client, services[office == DUBLIN], start - relativedelta(years=1), dice)


def _contacts(house: House, client: Client, dice: random.Random, many: int) -> None:
    for number in range(many):
        name = f"{dice.choice(FIRST)} {dice.choice(LAST)}"
        emails = [] if client.name in NO_ADDRESS else [_address(name, len(house.clients), number)]
        facts = ContactFacts(name=name, emails=emails)
        standing = Standing(
            role=dice.choice(("Director", "Owner", "Bookkeeper", "Finance manager")),
            portal_access=bool(emails),
            is_primary=number == 0,
        )
        contact = create_contact(new_id(), facts, client, standing, by=SYSTEM, quietly=True)
        house.contacts.setdefault(client.id, contact)


def _address(name: str, *numbers: int) -> str:
    """An address that nobody has: `.example` is kept for that (RFC 2606). The numbers keep namesakes apart."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    told = ".".join(re.findall("[a-z]+", plain)) or "contact"
    return f"{told}{'.'.join(str(number + 1) for number in numbers)}@clients.example"


def _series(house: House, client: Client, service: Service, start: dt.date, dice: random.Random) -> None:
    engagement = engagement_for_service(
        client, service.id, service.name, by=SYSTEM, practice_area=service.practice_area
    )
    office = house.people["Beatrice Lowe" if client.office_id == house.offices[LONDON].id else "Adam Kearney"]
    roles = {"administrator": str(office.id)}
    if dice.random() >= NOBODYS:
        roles["preparer"] = str(_least_busy(house, client, service).id)
    values = SeriesValues(ahead_days=10, roles=roles)
    begin_series(client, engagement.id, service.id, service.cadence, start, values, by=SYSTEM)


def _least_busy(house: House, client: Client, service: Service) -> Person:
    """Of the office's preparers the one with least work for their hours; theirs is this service from now on."""
    staff = [p for p in house.people.values() if p.office_id == client.office_id and p.grade in ("Senior", "Junior")]
    hours = {colleague.name: sum(colleague.week) for colleague in COLLEAGUES}
    person = min(staff, key=lambda each: house.busy.get(each.id, 0) / hours[each.name])
    house.busy[person.id] = house.busy.get(person.id, 0) + HOURS_A_YEAR[service.code]
    return person
