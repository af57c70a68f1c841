"""What the door asks for and what is swept away behind it."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.core.clock import now
from app.core.db import transaction
from app.core.queue import BULK, NOW, background
from app.people.commands.account import send_reset
from app.people.models import PersonLink, PersonSession, SignInAttempt

KEPT = dt.timedelta(days=30)


@background("people.send_reset", queue=NOW, seconds=60)
def send_reset_mail(email: str) -> None:
    send_reset(email)


@background("people.tidy", every=3600, queue=BULK, seconds=600)
def tidy() -> None:
    """Tries, links and sessions that have been over for thirty days are forgotten; their events stay."""
    before = now() - KEPT
    with transaction() as session:
        session.execute(sa.delete(SignInAttempt).where(SignInAttempt.at < before))
        session.execute(sa.delete(PersonLink).where(PersonLink.expires_at < before))
        session.execute(sa.delete(PersonSession).where(
            sa.or_(PersonSession.expires_at < before, PersonSession.revoked_at < before)
        ))
