"""Mailing a statement of account."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from flask_babel import lazy_gettext as _l

from app.activity.commands import record
from app.billing.commands.recipients import bill_recipients, refuse_unreachable
from app.billing.policy import can_send_statement
from app.billing.queries.statements import Statement
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import transaction
from app.core.money import Money
from app.core.permissions import authorize
from app.core.storage import storage
from app.delivery.commands import send_mail


def send_statement(client: Client, statement: Statement, body: bytes, *, send_id: UUID, by: Actor) -> Sequence[str]:
    """Mail a statement with its PDF to whoever gets the client's bills. The same `send_id` mails once."""
    authorize(by, can_send_statement, client)
    recipients = bill_recipients(client.id)
    refuse_unreachable(recipients)
    digest = hashlib.sha256(body).hexdigest()
    key = f"kept/statement-{client.id}-{statement.end}-{digest[:16]}.pdf"
    storage().put(key, body, "application/pdf")
    with transaction():
        for row in recipients:
            send_mail(
                key=f"statement:{client.id}:{row.id}:{send_id}",
                kind="statement",
                to=row.address,
                name=row.name,
                language=row.language,
                contact_id=row.id,
                client_id=client.id,
                about=client,
                by=by,
                subject=_l("Statement of account"),
                template="statement",
                context={
                    "name": row.name,
                    "on": statement.end,
                    "total": Money(statement.closing, statement.currency),
                },
                attachments=[{"name": f"statement-{statement.end}.pdf", "key": key, "content_type": "application/pdf"}],
            )
        record(
            "billing.statement.send",
            client,
            by=by,
            to=[row.address for row in recipients],
            end=statement.end,
            closing=statement.closing,
            currency=statement.currency,
            sha256=digest,
        )
    return [row.address for row in recipients]
