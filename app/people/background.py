"""What the door asks for and what is swept away behind it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from flask_babel import lazy_gettext as _

from app.activity.commands import reads
from app.activity.models import Event
from app.core.clock import now
from app.core.db import db, transaction
from app.core.permissions import ROLES, Permission
from app.core.queue import BULK, NOW, background
from app.firm.commands.entities import BANK
from app.people.commands.account import send_reset
from app.people.commands.notices import tell
from app.people.models import Person, PersonLink, PersonSession, PersonState, SignInAttempt

KEPT = dt.timedelta(days=30)
NEWS = dt.timedelta(days=2)  # what happened before is told to nobody any more


@reads("people.bank", "firm.entity.create", "firm.entity.update")
def tell_of_bank(event: Event, data: dict[str, Any]) -> None:
    """Where clients pay to concerns everybody who may change it: they are told but for whoever did."""
    added = event.kind == "firm.entity.create"
    if event.at < now() - NEWS or not (added or set(BANK) & set(data.get("changes", ()))):
        return
    by = db.session.get(Person, event.actor_id) if event.actor_id else None
    who = {"by": by.name if by else "Firmament", "name": data["name"]}
    what = _("%(by)s set up %(name)s, which clients may pay to.", **who) if added else _(
        "%(by)s changed the bank details of %(name)s, which clients pay to.", **who)
    for person in db.session.scalars(sa.select(Person).where(
        Person.state == PersonState.ACTIVE, Person.id.is_distinct_from(event.actor_id),
        Person.role.in_([role for role, may in ROLES.items() if Permission.SETTINGS_EDIT in may]),
    ).order_by(Person.id)):
        tell(person, event.kind, _("Where clients pay was changed"), what)


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
