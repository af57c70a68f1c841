"""Making, editing, archiving clients."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from uuid import UUID

import sqlalchemy as sa
from babel import Locale
from babel.numbers import is_currency

from app.activity.commands import record
from app.clients.changes import PERIOD_FIELDS, ClientChange, check_foreseen, follow, hold, standing_of, years_of
from app.clients.checks import check_tax_number, check_website
from app.clients.commands._shared import apply_changes, check_payer, check_people, lock_version
from app.clients.commands.arrangements import ArrangementFacts, first_arrangement
from app.clients.models import ArrangementKind, Client, ClientKind, ClientStatus, Engagement, PayrollFrequency
from app.clients.names import clean_name, clean_tags
from app.clients.places import check_region
from app.clients.policy import can_edit_client
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.locking import lock_row
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.reached import check_email, format_phone
from app.core.sorting import sort_key
from app.firm.commands import next_number
from app.firm.models import Entity, Grouping, Office, SeriesKind
from app.firm.taxes import check_tax_code
from app.people.commands.handing import share_holding
from app.people.models import Person

LONGEST_ADDRESS = 1000
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
COUNTRIES = frozenset(
    code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha()
)


@dataclass(frozen=True, kw_only=True)
class ClientFacts:
    """All that is said about a client. Without code the series gives one, without currency the office's entity."""

    name: str
    office_id: UUID
    kind: ClientKind = ClientKind.ORGANISATION
    status: ClientStatus = ClientStatus.ACTIVE
    code: str = ""
    legal_name: str = ""
    tax_number: str = ""
    registration_number: str = ""
    email: str = ""
    phone: str = ""
    website: str = ""
    address: str = ""
    country: str | None = None
    region: str = ""
    currency: str = ""
    language: str = "en"
    zone: str | None = None
    year_end_month: int | None = None
    year_end_day: int | None = None
    vat_stagger: int | None = None
    payroll_frequency: PayrollFrequency | None = None
    first_pay_day: dt.date | None = None
    partner_id: UUID | None = None
    manager_id: UUID | None = None
    terms_days: int | None = None
    tags: Sequence[str] = ()
    notes: str = ""
    tax_code: str | None = None
    line_grouping: Grouping | None = None
    payer_id: UUID | None = None


def facts_of(client: Client) -> ClientFacts:
    """What is known of a client, as facts that can be replaced in part."""
    return ClientFacts(**{each.name: getattr(client, each.name) for each in fields(ClientFacts)})


def create_client(client_id: UUID, facts: ClientFacts, *, by: Actor) -> Client:
    """The same id again returns the client that it made."""
    authorize(by, can_edit_client)
    with transaction() as session:
        said = digest_of(facts)
        existing = made_before(Client, client_id, said)
        if existing is not None:
            return existing
        check_payer(facts.payer_id, None, by=by)
        facts = checked(facts)
        client = Client(id=client_id, made_from=said, sort_key=sort_key(facts.name), fields={}, **_columns(facts))
        client.code = facts.code or _free_code()
        session.add(client)
        record("clients.client.create", client, by=by, name=client.name, code=client.code)
        return client


def update_client(
    client: Client, facts: ClientFacts, *, by: Actor, version: int | None = None, foreseen: str | None = None,
    redate: bool = True, because: str = "",
) -> Client:
    """What follows from it (series, jobs to come unless they are kept) happens in the same transaction.

    `foreseen` digests the effects that were shown and confirmed; refused when they are others by now. `because` is
    asked for where a job that moves would be due past a deadline.
    """
    authorize(by, can_edit_client, client)
    with transaction():
        hold(change_of(client, facts))
        share_holding()
        _lock(client, version)
        check_payer(facts.payer_id, client.payer_id, by=by)
        facts = checked(replace(facts, code=facts.code or client.code), of=client)
        change = replace(change_of(client, facts, redate=redate), because=because)
        check_foreseen(change, foreseen, by=by)
        values = {**_columns(facts), "sort_key": sort_key(facts.name)}
        changes = apply_changes(client, values)
        changes.pop("sort_key", None)
        if changes:
            record("clients.client.update", client, by=by, name=client.name, changes=changes)
            follow(change, by=by)
        return client


def give_address(client: Client, address: str, *, by: Actor) -> Client:
    """Keep a client's postal address, for instance when a bill asks for it. The same again changes nothing."""
    authorize(by, can_edit_client, client)
    with transaction():
        lock_version(client, None)
        address = "\n".join(line.strip() for line in address.strip().splitlines())
        if not address:
            raise Refused("Write the postal address.", field="address")
        if len(address) > LONGEST_ADDRESS:
            raise Refused(f"An address has at most {LONGEST_ADDRESS} characters.", field="address")
        changes = apply_changes(client, {"address": address})
        if changes:
            record("clients.client.update", client, by=by, name=client.name, changes=changes)
        return client


def change_of(client: Client, facts: ClientFacts, *, redate: bool = True) -> ClientChange:
    """From what is stored to these facts."""
    before = standing_of(client)
    after = replace(before, years=years_of(facts), status=facts.status)
    return ClientChange(client.id, before, after, redate)


def archiving_of(client: Client) -> ClientChange:
    before = standing_of(client)
    return ClientChange(client.id, before, replace(before, archived=True))


def _restoring_of(client: Client) -> ClientChange:
    before = standing_of(client)
    return ClientChange(client.id, before, replace(before, archived=False))


def _lock(client: Client, version: int | None) -> None:
    """As lock_version, with the standing as whoever held the client before has left it."""
    lock_row(client, "version", "status", "archived_at", *PERIOD_FIELDS)
    check_version(client, version)


def archive_client(client: Client, *, by: Actor, foreseen: str | None = None) -> None:
    """Out of the lists and the portal; nothing is lost and it can be brought back. `foreseen` as in update_client."""
    authorize(by, can_edit_client, client)
    with transaction():
        if client.is_firm:
            raise Refused("The firm's own client holds internal time and cannot be archived.")
        hold(archiving_of(client))
        _lock(client, None)
        if client.archived_at is None:
            change = archiving_of(client)
            check_foreseen(change, foreseen, by=by)
            client.archived_at = now()
            record("clients.client.archive", client, by=by, name=client.name)
            follow(change, by=by)


def restore_client(client: Client, *, by: Actor) -> None:
    authorize(by, can_edit_client, client)
    with transaction():
        hold(_restoring_of(client))
        _lock(client, None)
        if client.archived_at is not None:
            change = _restoring_of(client)
            client.archived_at = None
            record("clients.client.restore", client, by=by, name=client.name)
            follow(change, by=by)


def tag_client(client: Client, tag: str, *, by: Actor) -> None:
    authorize(by, can_edit_client, client)
    with transaction():
        tags = clean_tags([*client.tags, tag])
        if tags != client.tags:
            lock_version(client, None)
            changes = apply_changes(client, {"tags": tags})
            record("clients.client.update", client, by=by, name=client.name, changes=changes)


def assign_partner(client: Client, partner: Person | None, *, by: Actor) -> None:
    authorize(by, can_edit_client, client)
    with transaction():
        share_holding()
        check_people(client, partner_id=partner.id if partner else None)
        changed = apply_changes(client, {"partner_id": partner.id if partner else None})
        if changed:
            lock_version(client, None)
            record("clients.client.update", client, by=by, name=client.name, changes=changed)


def create_firm_client(*, office_id: UUID, entity_id: UUID, name: str, currency: str, by: Actor) -> Client:
    """The firm as its own client, with the engagement that internal time goes to. Made once, by setup."""
    authorize(by, can_edit_client)
    with transaction() as session:
        firm = session.scalar(sa.select(Client).where(Client.is_firm))
        if firm is not None:
            return firm
        firm = Client(
            id=new_id(), code="INTERNAL", name=name, sort_key=sort_key(name), office_id=office_id, currency=currency,
            is_firm=True, tags=[], fields={},
        )
        session.add(firm)
        session.flush()
        internal = Engagement(
            id=new_id(), client_id=firm.id, number="INTERNAL", name="Internal time", entity_id=entity_id,
            currency=currency, starts_on=today(),
        )
        session.add(internal)
        session.flush()
        session.add(first_arrangement(internal, ArrangementFacts(kind=ArrangementKind.NON_BILLABLE)))
        record("clients.client.create", firm, by=by, name=name, code=firm.code, internal=True)
        record("clients.engagement.create", internal, by=by, name=internal.name, number=internal.number)
        return firm


def checked(facts: ClientFacts, *, of: Client | None = None) -> ClientFacts:
    """The facts as they are stored; refuses what cannot be right, naming its field."""
    office = db.session.get(Office, facts.office_id)
    if office is None:
        raise Refused("Choose one of the firm's offices.", field="office_id")
    entity = db.session.get(Entity, office.entity_id)
    assert entity is not None
    country = (facts.country or "").upper() or None
    if country and country not in COUNTRIES:
        raise Refused(f"{country} is no country code; two letters such as GB or US are.", field="country")
    code = " ".join(facts.code.split())[:40]
    _check_code(code, of)
    _check_year_end(facts)
    check_people(of, partner_id=facts.partner_id, manager_id=facts.manager_id)
    tax_number = facts.tax_number.strip()
    if of is None or tax_number != of.tax_number or country != of.country:
        tax_number = check_tax_number(tax_number, country)
    return replace(
        facts, payer_id=None if of is not None and facts.payer_id == of.id else facts.payer_id,
        name=clean_name(facts.name), code=code, country=country, tax_number=tax_number,
        region=check_region(facts.region, country),
        currency=_currency(facts.currency or entity.currency, of), email=check_email(facts.email),
        phone=format_phone(facts.phone, country or entity.country), website=check_website(facts.website),
        tags=clean_tags(list(facts.tags)),
    )


def _check_code(code: str, of: Client | None) -> None:
    taken = sa.select(Client.id).where(sa.func.lower(Client.code) == code.lower())
    if code and db.session.scalar(taken.where(Client.id != of.id) if of else taken):
        raise Refused(f"The code {code} is taken. Leave it empty to get the next number.", field="code")


def _check_year_end(facts: ClientFacts) -> None:
    month, day = facts.year_end_month, facts.year_end_day
    if (month is None) != (day is None):
        raise Refused("A year end has a day and a month.", field="year_end_day")
    if month and not (1 <= month <= 12 and 1 <= (day or 0) <= MONTH_DAYS[month - 1]):
        raise Refused("That day does not exist in that month.", field="year_end_day")
    if (facts.payroll_frequency is None) != (facts.first_pay_day is None):
        missing = "first_pay_day" if facts.payroll_frequency else "payroll_frequency"
        raise Refused("A payroll has a frequency and a first pay day.", field=missing)
    if facts.first_pay_day and not 1990 <= facts.first_pay_day.year <= 2100:
        raise Refused("Choose a pay day between 1990 and 2100.", field="first_pay_day")
    if facts.vat_stagger not in (None, 1, 2, 3):
        raise Refused("VAT quarters have stagger 1, 2 or 3.", field="vat_stagger")
    if facts.terms_days is not None and not 0 <= facts.terms_days <= 365:
        raise Refused("Payment terms are 0 to 365 days.", field="terms_days")


def _currency(code: str, of: Client | None) -> str:
    code = code.upper()
    if not is_currency(code):
        raise Refused(f"{code[:10]} is no currency code; three letters such as GBP are.", field="currency")
    return code


def _free_code() -> str:
    while True:
        code = next_number(SeriesKind.CLIENT)[0]
        if not db.session.scalar(sa.select(Client.id).where(Client.code == code)):
            return code


def _columns(facts: ClientFacts) -> dict[str, object]:
    check_tax_code(facts.tax_code)
    return {**asdict(facts), "tags": list(facts.tags)}
