"""Entities and offices: who issues the invoices, where the days are counted."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.numbers import is_currency

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.locking import take_turn
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.reached import check_email, format_phone
from app.firm.calendars import UnknownCalendar, calendar_for
from app.firm.checks import check_bic, check_iban, check_tax_number
from app.firm.commands.firm import check_name, check_zone
from app.firm.countries import year_end_of
from app.firm.days_off import ClosureChange, follow_closure
from app.firm.models import Closure, Entity, Grouping, Office, TaxPoint
from app.firm.policy import can_edit_settings
from app.firm.taxes import check_tax_code

LONGEST_ADDRESS = 500
BANK = ("bank_name", "iban", "bic", "account_number", "sort_code")


@dataclass(frozen=True, kw_only=True)
class EntityFacts:
    """All that an invoice says of its issuer. The currency is given once and stays."""

    name: str
    country: str
    currency: str
    year_end_month: int = 12
    year_end_day: int = 31
    address: str = ""
    tax_number: str = ""
    registration_number: str = ""
    bank_name: str = ""
    iban: str = ""
    bic: str = ""
    account_number: str = ""
    sort_code: str = ""
    terms_days: int = 14
    invoice_note: str = ""
    tax_code: str | None = None
    tax_point: TaxPoint = TaxPoint.SUPPLY
    line_grouping: Grouping = Grouping.ENGAGEMENT
    late_time: bool = True


@dataclass(frozen=True, kw_only=True)
class OfficeFacts:
    """A place with its zone and its calendar of holidays."""

    name: str
    entity_id: UUID
    zone: str
    calendar: str
    phone: str = ""
    email: str = ""
    address: str = ""


def create_entity(entity_id: UUID, facts: EntityFacts, *, by: Actor) -> Entity:
    """The same id again returns the entity that it made."""
    authorize(by, can_edit_settings)
    said = digest_of(facts)
    existing = made_before(Entity, entity_id, said)
    if existing is not None:
        return existing
    with transaction() as session:
        entity = Entity(id=entity_id, made_from=said, **_checked(facts))
        session.add(entity)
        record("firm.entity.create", entity, by=by, name=entity.name)
    return entity


def update_entity(entity: Entity, facts: EntityFacts, *, by: Actor, version: int | None = None) -> None:
    """What is issued already keeps what it says; the currency cannot change."""
    authorize(by, can_edit_settings)
    values = _checked(facts)
    if values["currency"] != entity.currency:
        raise Refused("An entity keeps its currency: its ledger is in it. Make another entity.", field="currency")
    with transaction():
        check_version(entity, version)
        changes = apply_values(entity, **values)
        if changes:
            record("firm.entity.update", entity, by=by, name=entity.name, changes=changes)


def changes_bank(entity: Entity, facts: EntityFacts) -> bool:
    """Whether where money is paid to would become different; that asks for the password again."""
    return any("".join(getattr(entity, n).split()) != "".join(getattr(facts, n).split()) for n in BANK)


def create_office(office_id: UUID, facts: OfficeFacts, *, by: Actor) -> Office:
    authorize(by, can_edit_settings)
    said = digest_of(facts)
    existing = made_before(Office, office_id, said)
    if existing is not None:
        return existing
    with transaction() as session:
        office = Office(id=office_id, made_from=said, **_checked_office(facts))
        session.add(office)
        record("firm.office.create", office, by=by, name=office.name)
    return office


def update_office(office: Office, facts: OfficeFacts, *, by: Actor, version: int | None = None) -> None:
    authorize(by, can_edit_settings)
    values = _checked_office(facts)
    with transaction():
        check_version(office, version)
        changes = apply_values(office, **values)
        if changes:
            record("firm.office.update", office, by=by, name=office.name, changes=changes)


def archive_office(office: Office, *, by: Actor) -> None:
    """No longer offered; what belongs to it stays. The last office cannot go."""
    authorize(by, can_edit_settings)
    take_turn("firm.offices")
    others = db.session.scalar(sa.select(sa.func.count()).select_from(Office).where(
        Office.id != office.id, Office.archived_at.is_(None)
    ))
    if not others:
        raise Refused("A firm has at least one office.")
    with transaction():
        if office.archived_at is None:
            office.archived_at = now()
            record("firm.office.archive", office, by=by, name=office.name)


def add_closure(
    closure_id: UUID, *, by: Actor, closed_on: dt.date, name: str, office_id: UUID | None = None,
    seen: str | None = None,
) -> Closure:
    """A day on which the firm, or one office, does not work.

    `seen` is the digest of the dates that somebody was shown and confirmed; they move in a run under the closure's id.
    Without it dates of open jobs stay as they are.
    """
    authorize(by, can_edit_settings)
    said = digest_of(closed_on, name, office_id)
    existing = made_before(Closure, closure_id, said)
    if existing is not None:
        return existing
    here = Closure.office_id.is_not_distinct_from(office_id)
    if db.session.scalar(sa.select(Closure.id).where(Closure.closed_on == closed_on, here)):
        raise Refused("This day is closed already.", field="closed_on")
    with transaction() as session:
        if seen is not None:
            follow_closure(ClosureChange(closed_on, office_id), seen, closure_id, by=by)
        closure = Closure(
            id=closure_id, made_from=said, office_id=office_id, closed_on=closed_on, name=check_name(name)
        )
        session.add(closure)
        record("firm.closure.add", closure, by=by, name=closure.name, on=closed_on, office=office_id)
    return closure


def remove_closure(closure: Closure, *, by: Actor, seen: str | None = None) -> UUID | None:
    """The day is worked after all. Dates that were shown and confirmed move back; returns the run that does it."""
    authorize(by, can_edit_settings)
    run_id = new_id() if seen is not None else None
    with transaction() as session:
        if seen is not None and run_id is not None:
            follow_closure(ClosureChange(closure.closed_on, closure.office_id, closed=False), seen, run_id, by=by)
        told: dict[str, Any] = {"name": closure.name, "on": closure.closed_on, "office": closure.office_id}
        record("firm.closure.remove", closure, by=by, **told)
        session.delete(closure)
    return run_id


def _checked(facts: EntityFacts) -> dict[str, object]:
    country, currency = facts.country.upper(), facts.currency.upper()
    if len(country) != 2 or not country.isalpha():
        raise Refused("Choose a country.", field="country")
    if not is_currency(currency):
        raise Refused("Choose a currency, such as GBP.", field="currency")
    if not 1 <= facts.year_end_month <= 12 or not 1 <= facts.year_end_day <= 31:
        raise Refused("This is no day of the year.", field="year_end_day")
    if not 0 <= facts.terms_days <= 365:
        raise Refused("Between 0 and 365 days.", field="terms_days")
    month, day = year_end_of(facts.year_end_month, facts.year_end_day)
    values = {name: value.strip() if isinstance(value, str) else value for name, value in asdict(facts).items()}
    return values | {
        "name": check_name(facts.name), "country": country, "currency": currency, "year_end_month": month,
        "year_end_day": day, "iban": check_iban(facts.iban), "bic": check_bic(facts.bic),
        "tax_number": check_tax_number(facts.tax_number, country), "tax_code": check_tax_code(facts.tax_code),
    }


def _checked_office(facts: OfficeFacts) -> dict[str, object]:
    try:
        calendar = calendar_for(facts.calendar).id
    except UnknownCalendar as error:
        raise Refused(str(error), field="calendar") from error
    entity = db.session.get(Entity, facts.entity_id)
    if entity is None:
        raise Refused("Choose an entity.", field="entity_id")
    if len(facts.address) > LONGEST_ADDRESS:
        raise Refused(f"An address has at most {LONGEST_ADDRESS} characters; shorten it.", field="address")
    return {
        "name": check_name(facts.name), "entity_id": facts.entity_id, "zone": check_zone(facts.zone),
        "calendar": calendar, "phone": format_phone(facts.phone[:60], entity.country),
        "email": check_email(facts.email), "address": facts.address.strip(),
    }
