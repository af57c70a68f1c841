"""Who gets a client's bills and statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import AddressKind, ClientContact, Contact, ContactAddress
from app.core.db import db
from app.core.errors import Refused


@dataclass(frozen=True)
class Recipient:
    """A contact with the address that mail goes to."""

    id: UUID
    name: str
    language: str
    address: str


def bill_recipients(client_id: UUID) -> Sequence[Recipient]:
    """The primary contact, else everybody with portal access; each at their first e-mail address."""
    first = (
        sa.select(ContactAddress.value)
        .where(ContactAddress.contact_id == Contact.id, ContactAddress.kind == AddressKind.EMAIL)
        .order_by(ContactAddress.position, ContactAddress.id)
        .limit(1)
        .scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(Contact.id, Contact.name, Contact.language, first.label("address"), ClientContact.is_primary)
        .join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(
            ClientContact.client_id == client_id,
            Contact.archived_at.is_(None),
            sa.or_(ClientContact.is_primary, ClientContact.portal_access),
        )
        .order_by(Contact.sort_key, Contact.id)
    ).all()
    reachable = [row for row in rows if row.address]
    chosen = [row for row in reachable if row.is_primary] or reachable
    return [Recipient(row.id, row.name, row.language, row.address) for row in chosen]


def refuse_unreachable(recipients: Sequence[Recipient]) -> None:
    if not recipients:
        raise Refused("This client has no contact with an e-mail address; add one, or hand the PDF over yourself.")
