"""Setting an empty firm up: one short form behind a one-time link; afterwards it is closed for good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from app.activity.commands import record
from app.clients.commands import create_firm_client
from app.core.actors import Actor
from app.core.clock import now, set_zone, today
from app.core.colour import DEFAULT_ACCENT
from app.core.db import transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.permissions import Role, authorize
from app.core.rounding import RoundingRule
from app.core.sorting import sort_key
from app.delivery.commands import one_address
from app.firm.commands.entities import EntityFacts, OfficeFacts, create_entity, create_office
from app.firm.commands.firm import check_name, check_zone
from app.firm.commands.tax import create_usual_rates
from app.firm.countries import usual, usual_rates
from app.firm.models import Firm
from app.firm.queries import get_firm
from app.people.commands.links import use_link
from app.people.commands.people import USUAL_WEEK
from app.people.commands.sessions import open_session
from app.people.models import LinkPurpose, Person, PersonState, WorkingPattern
from app.people.names import clean_name, initials_of
from app.people.passwords import check_password, hash_password
from app.people.policy import can_knock
from app.people.queries import as_actor
from app.timekeeping.commands.rates import RateFacts, add_rate


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """All that a firm needs to begin. Currency and zone left empty are those usual in the country."""

    firm_name: str
    country: str
    year_end_month: int
    year_end_day: int
    currency: str = ""
    zone: str = ""
    charges_tax: bool = True
    tax_number: str = ""
    bank_name: str = ""
    iban: str = ""
    bic: str = ""
    account_number: str = ""
    sort_code: str = ""
    partner_name: str
    email: str
    password: str
    hourly_rate: Decimal | None = None


def set_up(token: str, beginning: Beginning, *, by: Actor, agent: str) -> str:
    """Everything in one transaction, the link used up with it. Returns the first partner's session token."""
    authorize(by, can_knock)
    with transaction():
        use_link(LinkPurpose.SETUP, token)
        return begin_firm(beginning, by=by, agent=agent)


def begin_firm(beginning: Beginning, *, by: Actor, agent: str) -> str:
    """The same without the link; two at once cannot both succeed, the database holds one firm only."""
    authorize(by, can_knock)
    if get_firm() is not None:
        raise Refused("The firm has been set up already.")
    known = usual(beginning.country)
    zone = check_zone(beginning.zone or known.zone)
    currency = beginning.currency or known.currency
    with transaction() as session:
        firm = Firm(
            name=check_name(beginning.firm_name), zone=zone, accent=DEFAULT_ACCENT, set_up_at=now(),
            rounding=RoundingRule().to_json(),
        )
        session.add(firm)
        session.flush()
        set_zone(zone)
        entity = create_entity(new_id(), _entity(beginning, currency), by=by)
        facts = OfficeFacts(name="Main office", entity_id=entity.id, zone=zone, calendar=known.calendar)
        office = create_office(new_id(), facts, by=by)
        create_usual_rates(usual_rates(beginning.country, registered=beginning.charges_tax), by=by)
        partner = _first_partner(beginning, office.id)
        session.add(partner)
        session.flush()
        since = today().replace(month=1, day=1)
        session.add(WorkingPattern(person_id=partner.id, from_on=since, minutes=list(USUAL_WEEK)))
        itself = replace(as_actor(partner), address=by.address)
        record("firm.firm.set_up", firm, by=itself, name=firm.name, country=beginning.country, currency=currency)
        if beginning.hourly_rate is not None:
            last_year = since.replace(year=since.year - 1)
            standard = RateFacts(from_on=last_year, amount=beginning.hourly_rate, currency=currency)
            add_rate(new_id(), standard, by=itself)
        create_firm_client(office_id=office.id, entity_id=entity.id, name=firm.name, currency=currency, by=itself)
        return open_session(partner, by=itself, agent=agent)


def _entity(beginning: Beginning, currency: str) -> EntityFacts:
    return EntityFacts(
        name=beginning.firm_name, country=beginning.country, currency=currency,
        year_end_month=beginning.year_end_month, year_end_day=beginning.year_end_day,
        tax_number=beginning.tax_number, bank_name=beginning.bank_name, iban=beginning.iban, bic=beginning.bic,
        account_number=beginning.account_number, sort_code=beginning.sort_code,
    )


def _first_partner(beginning: Beginning, office_id: object) -> Person:
    try:
        name = clean_name(beginning.partner_name)
    except Refused as error:
        raise Refused(error.message, field="partner_name") from error
    email = one_address(beginning.email)
    check_password(beginning.password, about=(name, email, email.split("@")[0], beginning.firm_name))
    return Person(
        name=name, sort_key=sort_key(name), initials=initials_of(name), email=email, role=Role.PARTNER,
        grade="Partner", office_id=office_id, state=PersonState.ACTIVE, password_hash=hash_password(beginning.password),
        password_changed_at=now(),
    )
