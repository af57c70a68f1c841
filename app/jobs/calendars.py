"""The calendar that a job's working days are counted on: that of its client's office."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client
from app.core.db import db
from app.firm.calendars import WorkingCalendar, calendar_for
from app.firm.models import Closure, Office


def calendar_of(client_id: UUID) -> WorkingCalendar:
    return calendars_of([client_id])[client_id]


def calendars_of(client_ids: list[UUID]) -> dict[UUID, WorkingCalendar]:
    """By client; two statements, however many clients."""
    offices = db.session.execute(
        sa.select(Client.id, Office.id.label("office_id"), Office.calendar)
        .join(Office, Office.id == Client.office_id).where(Client.id.in_(set(client_ids)))
    ).all()
    closures = db.session.execute(sa.select(Closure.office_id, Closure.closed_on)).all()
    by_office = {
        row.office_id: calendar_for(
            row.calendar, closures=[c.closed_on for c in closures if c.office_id in (None, row.office_id)]
        )
        for row in offices
    }
    return {row.id: by_office[row.office_id] for row in offices}
