"""Who pays a client's bills, as agreed."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client, Engagement
from app.clients.policy import can_see, within_sight
from app.core.actors import Actor
from app.core.db import db


def other_payers(client_id: UUID, *, seen_by: Actor) -> dict[UUID, tuple[UUID, str]]:
    """By engagement who pays for it, where that is not the client itself; without a name where a wall hides it."""
    client, payer = sa.orm.aliased(Client), sa.orm.aliased(Client)
    rows = db.session.execute(
        sa.select(Engagement.id, payer.id, payer.name)
        .join(client, client.id == Engagement.client_id)
        .join(payer, payer.id == sa.func.coalesce(Engagement.payer_id, client.payer_id))
        .where(
            Engagement.client_id == client_id, payer.id != client_id,
            *within_sight(seen_by, Engagement.client_id, Engagement.id),
        )
    )
    return {row[0]: (row[1], row[2] if can_see(seen_by, row[1]) else "") for row in rows}
