"""Engagements: what was agreed with a client, and how it is billed."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.numbers import is_currency

from app.activity.commands import record
from app.clients.commands._shared import apply_changes, check_payer, check_people, lock_version
from app.clients.commands.arrangements import ArrangementFacts, first_arrangement
from app.clients.models import Client, Engagement, EngagementStatus
from app.clients.names import clean_name
from app.clients.policy import can_edit_engagement, can_see, within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import take_turn
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.rounding import BadRounding, RoundingRule
from app.firm.commands import next_number
from app.firm.models import Entity, Grouping, Office, SeriesKind
from app.firm.taxes import check_tax_code
from app.people.commands.handing import share_holding

BY_THE_HOUR = ArrangementFacts()


@dataclass(frozen=True, kw_only=True)
class EngagementFacts:
    """Without entity the client's office gives it; without currency the client. Neither changes later."""

    name: str
    practice_area: str = ""
    scope: str = ""
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    entity_id: UUID | None = None
    partner_id: UUID | None = None
    manager_id: UUID | None = None
    currency: str = ""
    budget: dt.timedelta | None = None
    tax_code: str | None = None
    rounding: dict[str, Any] | None = None
    service_id: UUID | None = None
    line_grouping: Grouping | None = None
    payer_id: UUID | None = None


def create_engagement(
    engagement_id: UUID, client: Client, facts: EngagementFacts, *, by: Actor,
    billed: ArrangementFacts = BY_THE_HOUR,
) -> Engagement:
    """Open an engagement that is `billed` so from its start. The same id again returns the engagement that it made."""
    authorize(by, can_edit_engagement)
    if not can_see(by, client.id):
        raise NotFound()
    with transaction() as session:
        said = digest_of(client.id, facts)
        existing = made_before(Engagement, engagement_id, said)
        if existing is not None:
            return existing
        currency = (facts.currency or client.currency).upper()
        if not is_currency(currency):
            raise Refused(f"{currency[:10]} is no currency code; three letters such as GBP are.", field="currency")
        check_payer(facts.payer_id, None, by=by)
        values = _checked(facts, client_id=client.id)
        entity_id = facts.entity_id or _entity_of(client)
        if session.get(Entity, entity_id) is None:
            raise Refused("Choose one of the firm's entities.", field="entity_id")
        engagement = Engagement(
            id=engagement_id, made_from=said, client_id=client.id, number=next_number(SeriesKind.ENGAGEMENT)[0],
            currency=currency, entity_id=entity_id, **values,
        )
        engagement.partner_id = engagement.partner_id or client.partner_id
        engagement.manager_id = engagement.manager_id or client.manager_id
        session.add(engagement)
        session.flush()
        session.add(first_arrangement(engagement, billed))
        record("clients.engagement.create", engagement, by=by, name=engagement.name, number=engagement.number)
        return engagement


def update_engagement(
    engagement: Engagement, facts: EngagementFacts, *, by: Actor, version: int | None = None
) -> Engagement:
    """Everything but client, entity and currency, which stay for good."""
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        share_holding()
        lock_version(engagement, version)
        if facts.currency and facts.currency.upper() != engagement.currency:
            raise Refused("An engagement's currency never changes; open another engagement.", field="currency")
        check_payer(facts.payer_id, engagement.payer_id, by=by)
        changes = apply_changes(engagement, _checked(facts, of=engagement))
        if changes:
            record("clients.engagement.update", engagement, by=by, name=engagement.name, changes=changes)
        return engagement


def close_engagement(engagement: Engagement, *, by: Actor) -> None:
    """No new work is put under it; what is open can still be billed."""
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        lock_version(engagement, None)
        if engagement.status is EngagementStatus.OPEN:
            engagement.status = EngagementStatus.CLOSED
            ended = today()
            if engagement.ends_on is None and (engagement.starts_on is None or engagement.starts_on <= ended):
                engagement.ends_on = ended
            record("clients.engagement.close", engagement, by=by, name=engagement.name)


def reopen_engagement(engagement: Engagement, *, by: Actor) -> None:
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        lock_version(engagement, None)
        if engagement.status is EngagementStatus.CLOSED:
            engagement.status, engagement.ends_on = EngagementStatus.OPEN, None
            record("clients.engagement.reopen", engagement, by=by, name=engagement.name)


def engagement_for_service(
    client: Client, service_id: UUID, name: str, *, by: Actor, practice_area: str = ""
) -> Engagement:
    """The client's open engagement for a service, or a new one; safe in several processes at once."""
    authorize(by, can_edit_engagement)
    if not can_see(by, client.id):
        raise NotFound()
    with transaction() as session:
        take_turn(f"{client.id} {service_id}", at="turn of a service")
        found = session.scalar(
            sa.select(Engagement).where(
                Engagement.client_id == client.id, Engagement.service_id == service_id,
                Engagement.status == EngagementStatus.OPEN, *within_sight(by, Engagement.client_id, Engagement.id),
            ).order_by(Engagement.id).limit(1)
        )
        if found is not None:
            return found
        facts = EngagementFacts(
            name=name, service_id=service_id, practice_area=practice_area, starts_on=today()
        )
        return create_engagement(new_id(), client, facts, by=by)


def _entity_of(client: Client) -> UUID:
    return db.session.scalars(sa.select(Office.entity_id).where(Office.id == client.office_id)).one()


def _checked(
    facts: EngagementFacts, *, of: Engagement | None = None, client_id: UUID | None = None
) -> dict[str, Any]:
    if facts.starts_on and facts.ends_on and facts.ends_on < facts.starts_on:
        raise Refused("It ends before it starts.", field="ends_on")
    if facts.budget is not None and facts.budget <= dt.timedelta():
        raise Refused("A budget is more than nothing.", field="budget")
    if facts.rounding is not None:
        try:
            RoundingRule.from_json(facts.rounding)
        except BadRounding as error:
            raise Refused(str(error), field="rounding") from error
    check_people(of, client_id=client_id, partner_id=facts.partner_id, manager_id=facts.manager_id)
    check_tax_code(facts.tax_code)
    values = asdict(facts)
    for fixed in ("currency", "entity_id"):
        del values[fixed]
    values["name"] = clean_name(facts.name)
    return values
