"""Mails with bills and statements that did not get through: whether they still help, and to whom they go again."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.billing.commands.recipients import bill_recipients
from app.billing.models import Invoice, InvoiceState
from app.billing.policy import can_approve, can_send_statement
from app.billing.sight import bills_seen_by
from app.clients.queries import get_client
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import Refused
from app.core.permissions import authorize
from app.delivery.again import helps_unless, written_anew
from app.delivery.commands import copy_mail
from app.delivery.models import Delivery


@helps_unless("invoice")
def bill_is_void(delivery: Delivery) -> str:
    state = db.session.scalar(sa.select(Invoice.state).where(Invoice.id == delivery.about_id))
    return "The bill was made void meanwhile." if state is InvoiceState.VOID else ""


@written_anew("invoice")
def send_bill_again(delivery: Delivery, by: Actor) -> None:
    invoice = get_or_404(sa.select(Invoice).where(Invoice.id == delivery.about_id, *bills_seen_by(by)))
    authorize(by, can_approve, invoice)
    if because := bill_is_void(delivery):
        raise Refused(because)
    copy_mail(delivery, to=_address(delivery, invoice.payer_id), by=by)


@written_anew("statement")
def send_statement_again(delivery: Delivery, by: Actor) -> None:
    assert delivery.client_id is not None
    client = get_client(delivery.client_id, seen_by=by)
    authorize(by, can_send_statement, client)
    copy_mail(delivery, to=_address(delivery, client.id), by=by)


def _address(delivery: Delivery, client_id: UUID) -> str:
    """Where the same contact is reached now."""
    found = next((row.address for row in bill_recipients(client_id) if row.id == delivery.contact_id), None)
    if found is None:
        raise Refused("This contact gets no bills of the client any more. Send it anew, to whoever does.")
    return found
