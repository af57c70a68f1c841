"""Tells every letter whose it is, and letters to clients who looks after them."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, ClientContact
from app.core.colour import light_accent
from app.core.db import db
from app.delivery.letterhead import Desk, Letterhead, letterhead_from
from app.firm.models import Entity, Office
from app.firm.queries import get_firm_facts
from app.firm.words import english
from app.people.models import Person, PersonState

MOST_OFFICES = 4


@letterhead_from
def firm_letterhead(client_id: UUID | None, contact_id: UUID | None) -> Letterhead:
    facts = get_firm_facts()
    desk = _desk_of(client_id, contact_id) if client_id or contact_id else None
    if facts is None:
        return Letterhead()
    return Letterhead(facts.name, light_accent(facts.accent), desk, english(facts.country))


def list_front_desks() -> list[Desk]:
    """How the firm's offices are reached, for whoever has not said yet whose they are; no person is named."""
    rows = db.session.execute(
        sa.select(Office.name, sa.func.coalesce(sa.func.nullif(Office.address, ""), Entity.address), Office.phone,
                  Office.email, sa.literal(""))
        .join(Entity, Entity.id == Office.entity_id)
        .where(Office.archived_at.is_(None), sa.or_(Office.phone != "", Office.email != ""))
        .order_by(Office.created_at, Office.id).limit(MOST_OFFICES)
    ).all()
    return [Desk(*row) for row in rows]


def _desk_of(client_id: UUID | None, contact_id: UUID | None) -> Desk | None:
    """Of the client; of the first of a contact's own where they stand for others only, or the letter is about none."""
    theirs = sa.select(ClientContact.client_id).where(ClientContact.contact_id == contact_id)
    row = db.session.execute(
        sa.select(
            Office.name, sa.func.coalesce(sa.func.nullif(Office.address, ""), Entity.address), Office.phone,
            Office.email, sa.func.coalesce(Person.name, ""),
        )
        .select_from(Client).join(Office, Office.id == Client.office_id).join(Entity, Entity.id == Office.entity_id)
        .outerjoin(Person, sa.and_(
            Person.id == sa.func.coalesce(Client.manager_id, Client.partner_id), Person.state == PersonState.ACTIVE
        ))
        .where(Client.id.in_(theirs) | (Client.id == client_id) if client_id else Client.id.in_(theirs))
        .order_by(
            sa.and_(Client.id == client_id, Client.id.in_(theirs)).desc(), Client.id.in_(theirs).desc(),
            Client.sort_key, Client.id,
        ).limit(1)
    ).one_or_none()
    return Desk(*row) if row else None
