"""Why a step waits for the client: not asked yet and why, or asked and how much is still to come."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client
from app.core.db import db
from app.core.wording import day
from app.jobs.waits import explains_waiting
from app.requests.models import HOLDS_ITS_STEP, STILL_TO_COME, ClientRequest, RequestItem, RequestState


@explains_waiting
def of_requests(task_ids: Collection[UUID]) -> dict[UUID, str]:
    left = (
        sa.select(sa.func.count())
        .where(RequestItem.request_id == ClientRequest.id, RequestItem.required, RequestItem.state.in_(STILL_TO_COME))
        .correlate(ClientRequest).scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(ClientRequest, Client.name, left).join(Client, Client.id == ClientRequest.client_id)
        .where(
            ClientRequest.task_id.in_(task_ids), ClientRequest.closed_at.is_(None),
            ClientRequest.state.in_(HOLDS_ITS_STEP),
        )
        .order_by(ClientRequest.id)
    ).all()
    said: dict[UUID, list[str]] = {}
    for request, client, to_come in rows:
        if request.task_id is not None:
            said.setdefault(request.task_id, []).append(_words(request, client, to_come))
    return {task_id: "; ".join(dict.fromkeys(each)) for task_id, each in said.items()}


def _words(request: ClientRequest, client: str, to_come: int) -> str:
    if request.state is not RequestState.SCHEDULED:
        return f"“{request.name}”: {to_come} still to come" if to_come else f"“{request.name}”: to be reviewed"
    if request.unreachable_at is not None:
        return f"not asked yet: nobody at {client} has both an e-mail address and access to the portal"
    if request.held:
        return f"not asked yet: “{request.name}” is held"
    if request.send_when_open:
        return f"“{request.name}” will be asked when this step opens"
    return f"“{request.name}” will be asked on {day(request.send_on)}" if request.send_on else "not asked yet"
