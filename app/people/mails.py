"""Invitations that did not get through."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.delivery.again import helps_unless, written_anew
from app.delivery.models import Delivery
from app.people.commands.people import resend_invitation
from app.people.models import Person, PersonState


@helps_unless("people.invite")
def has_joined(delivery: Delivery) -> str:
    state = db.session.scalar(sa.select(Person.state).where(Person.id == delivery.person_id))
    return "" if state is PersonState.INVITED else "They have joined meanwhile, or are not to join any more."


@written_anew("people.invite")
def invite_again(delivery: Delivery, by: Actor) -> None:
    resend_invitation(get_or_404(sa.select(Person).where(Person.id == delivery.person_id)), by=by)
